"""The optimiser loop that learned matching, curves and learned fusions share."""
