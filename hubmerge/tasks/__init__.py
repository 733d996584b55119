"""What kinds of models there are: their auto classes, pipeline tags and scores."""
