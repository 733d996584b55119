"""Data sets: opening, columns, labels, the disjoint sets of rows, batches of model inputs."""
