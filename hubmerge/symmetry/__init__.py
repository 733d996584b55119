"""What may be done to weights: permutations, rotations, scales, canonical forms, and the laws."""
