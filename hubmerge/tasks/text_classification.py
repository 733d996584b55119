"""Text classification: one label for a text, or for a pair of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.tasks._architectures import loads
from hubmerge.tasks._classes import LABEL_AXES, MEASURES, by_problem_type
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Task
from hubmerge.tasks._texts import TOKENIZER_FILES

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading

AUTO_CLASS = "AutoModelForSequenceClassification"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as a classifier of texts."""
    return loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Texts, or pairs of them, through the tokenizer; what is right from the labels.

    Raises: DataError, LabelError.
    """
    from hubmerge.data.reading import read_labelled_texts

    return read_labelled_texts(data, wanted)


TASK = register(
    Task(
        name="text-classification",
        summary="classifiers of texts and of pairs of texts",
        pipeline_tag="text-classification",
        auto_class=AUTO_CLASS,
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes=LABEL_AXES,
        companion_files=TOKENIZER_FILES,
        probe=probe,
        inputs=("text", "pair"),
        columns="a text or a pair of texts, and labels",
        read=read,
        measures=MEASURES,
        measure_of=by_problem_type,
        example=Example(
            once='"A text."',
            processor="tokenizer",
            use=(
                'inputs = tokenizer("A text.", return_tensors="pt")  # or two texts, of a pair',
                "print(model(**inputs).logits, model.config.id2label)",
            ),
        ),
    )
)
