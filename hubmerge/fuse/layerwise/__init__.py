"""Layer-wise least squares and its kin: tracing layers, collecting rows, solving."""
