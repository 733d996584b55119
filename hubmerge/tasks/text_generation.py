"""Text generation: causal language models, which say of every token how likely it comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

AUTO_CLASS = "AutoModelForCausalLM"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as a causal language model."""
    return loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Texts in blocks of tokens; figures of each block are kept. Raises: DataError."""
    from hubmerge.data.reading import read_texts

    return read_texts(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """Figures of each block of tokens: logits over a vocabulary would not fit into memory."""
    from hubmerge.models.token_outputs import TokenStatistics

    return TokenStatistics()


MEASURE = Measure(
    name="next tokens",
    statistics=statistics,
    answers=None,
    words=Words(
        accuracy="next-token accuracy",
        loss="perplexity",
        nats="nats per token",
        scale="perplexity is the exponential of the mean loss of a token in nats",
        measured="perplexity, next-token accuracy and calibration error",
        exponential=True,
    ),
)

TASK = register(
    Task(
        name="text-generation",
        summary="causal language models",
        pipeline_tag="text-generation",
        auto_class=AUTO_CLASS,
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes={},
        companion_files=("generation_config.json", *TOKENIZER_FILES),
        probe=probe,
        inputs=("text",),
        columns="a text",
        read=read,
        measures=(MEASURE,),
        example=Example(
            once='"Once upon a time", max_new_tokens=10',
            processor="tokenizer",
            use=(
                'inputs = tokenizer("Once upon a time", return_tensors="pt")',
                "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=20)[0]))",
            ),
        ),
    )
)
