"""Token classification: a tag for each word, as of named entities or parts of speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.data.column_types import TAGS
from hubmerge.tasks._architectures import loads
from hubmerge.tasks._registry import register
from hubmerge.tasks._task import Example, Measure, Task, Words
from hubmerge.tasks._texts import TOKENIZER_FILES

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from hubmerge.data.dataset import DataSet
    from hubmerge.data.reading import ReadFor, Reading
    from hubmerge.models.outputs import RowStatistics

AUTO_CLASS = "AutoModelForTokenClassification"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as one of tags."""
    return loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Words through the tokenizer, and the tag of each. Raises: DataError, LabelError."""
    from hubmerge.data.word_rows import read_tagged

    return read_tagged(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """Figures of each row, and counts of its entities, if the tags are those of entities."""
    from hubmerge.models.tag_outputs import TagStatistics

    return TagStatistics(tuple(str(name) for _, name in sorted((config.id2label or {}).items())))


TASK = register(
    Task(
        name="token-classification",
        summary="models that give each word a tag",
        pipeline_tag="token-classification",
        auto_class=AUTO_CLASS,
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes={"logits": 2},
        companion_files=TOKENIZER_FILES,
        probe=probe,
        inputs=("words",),
        columns="a list of words, and a list of their tags",
        read=read,
        measures=(
            Measure(
                name="tags",
                statistics=statistics,
                answers=TAGS,
                words=Words(
                    accuracy="word accuracy",
                    nats="nats per word",
                    scale="losses in nats per word; entities are right with both ends and type",
                    measured="loss, word accuracy, entity F1 and calibration error",
                ),
            ),
        ),
        example=Example(
            once='"A text."',
            processor="tokenizer",
            use=(
                'inputs = tokenizer("Anna lives in Berlin.", return_tensors="pt")',
                "tags = model(**inputs).logits[0].argmax(-1).tolist()",
                'tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])',
                "print([(t, model.config.id2label[n]) for t, n in zip(tokens, tags)])",
            ),
        ),
    )
)
