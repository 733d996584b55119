"""Images generated without data, on which models can be observed."""
