"""Question answering: where in a text the answer to a question stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.data.column_types import SPANS
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

AUTO_CLASS = "AutoModelForQuestionAnswering"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as one of these."""
    return loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """See `read_spans`. Raises: DataError."""
    from hubmerge.data.span_rows import read_spans

    return read_spans(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """Figures of the first and the last token of each answer."""
    from hubmerge.models.span_outputs import SpanStatistics

    return SpanStatistics()


TASK = register(
    Task(
        name="question-answering",
        summary="models that find the answer to a question in a text",
        pipeline_tag="question-answering",
        auto_class=AUTO_CLASS,
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes={},
        companion_files=TOKENIZER_FILES,
        probe=probe,
        inputs=("text", "pair"),
        columns="a question, a text, and its answers",
        read=read,
        measures=(
            Measure(
                name="spans",
                statistics=statistics,
                answers=SPANS,
                one_of_n=False,
                words=Words(
                    accuracy="exact match",
                    metric="exact_match",
                    nats="nats per end",
                    scale="losses in nats, the mean over the first and the last token of an answer",
                    measured="loss of start and end, exact match, token F1 and calibration error",
                ),
            ),
        ),
        example=Example(
            processor="tokenizer",
            use=(
                'inputs = tokenizer("Who sleeps?", "The cat sleeps.", return_tensors="pt")',
                "said = model(**inputs)",
                "first, last = said.start_logits.argmax(), said.end_logits.argmax()",
                'print(tokenizer.decode(inputs["input_ids"][0, first : last + 1]))',
            ),
        ),
    )
)
