"""What a model is for: the words of the Hub, of transformers and of people for it."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


@dataclass(frozen=True)
class Task:
    """A kind of model.

    name: the Hub's pipeline tag. auto_class, auto_processor: what of transformers loads such a
    model, and what prepares its inputs. scores: what is measured of it, in words.
    """

    name: str
    auto_class: str
    auto_processor: str
    scores: str


CLASSIFICATION = Task(
    "image-classification",
    "AutoModelForImageClassification",
    "AutoImageProcessor",
    "loss, accuracy and calibration error",
)
LANGUAGE = Task(
    "text-generation",
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "perplexity, next-token accuracy and calibration error",
)


def task_of(config: PreTrainedConfig) -> Task:
    """What the model `config` describes is for, by its architecture."""
    named = (config.architectures or [""])[0]
    return LANGUAGE if named in _causal() else CLASSIFICATION


def _causal() -> set[str]:
    names = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    return {each for name in names for each in ([name] if isinstance(name, str) else name)}
