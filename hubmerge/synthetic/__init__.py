"""Images made from nothing, on which models can be watched where no data is given."""

from hubmerge.synthetic.batches import synthetic_batches
from hubmerge.synthetic.leaves import dead_leaves

__all__ = ["dead_leaves", "synthetic_batches"]
