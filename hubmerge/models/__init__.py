"""Models hubmerge brings along, and inputs to probe any model with.

Importing this package registers the MLP head with transformers' Auto classes.
"""

from hubmerge.models.mlp_head import MlpHeadConfig, MlpHeadForClassification, register
from hubmerge.models.probe import shaken
from hubmerge.models.probe_inputs import probe_inputs

register()

__all__ = ["MlpHeadConfig", "MlpHeadForClassification", "probe_inputs", "register", "shaken"]
