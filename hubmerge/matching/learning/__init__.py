"""Learning a symmetry on the loss of what lies between two models."""
