"""The five lines everyone meets: load, match, merge, report, in memory and by hand.

They do what `hubmerge.run` does, step by step, and write nothing until `save_pretrained` or
`push_to_hub` is called.
"""

from hubmerge.api.found import Found
from hubmerge.api.loading import load
from hubmerge.api.matching import match
from hubmerge.api.merged import Merged
from hubmerge.api.merging import merge
from hubmerge.api.reporting import report

__all__ = ["Found", "Merged", "load", "match", "merge", "report"]
