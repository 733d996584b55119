"""Images made from nothing, on which models can be watched where no data is given."""

from hubmerge.synthetic.batches import can_be_shown, synthetic_batches
from hubmerge.synthetic.leaves import dead_leaves

__all__ = ["can_be_shown", "dead_leaves", "synthetic_batches"]
