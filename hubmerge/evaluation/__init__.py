"""Measuring models: outputs, scores, paired comparisons, the loss curve and its barrier."""
