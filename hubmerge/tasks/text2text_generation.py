"""Text to text: encoder-decoders that translate, summarise, or answer in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.data.column_types import TARGETS
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

AUTO_CLASS = "AutoModelForSeq2SeqLM"


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as an encoder-decoder of texts."""
    return bool(getattr(config, "is_encoder_decoder", False)) and loads(AUTO_CLASS, config)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """See `read_targets`. Raises: DataError."""
    from hubmerge.data.target_rows import read_targets

    return read_targets(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """Figures of each target: logits over a vocabulary would not fit into memory."""
    from hubmerge.models.token_outputs import TokenStatistics

    return TokenStatistics()


TASK = register(
    Task(
        name="text2text-generation",
        summary="encoder-decoders that make a text of another: translation, summarization",
        pipeline_tag="text2text-generation",
        auto_class=AUTO_CLASS,
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes={},
        companion_files=("generation_config.json", *TOKENIZER_FILES),
        probe=probe,
        inputs=("source",),
        columns="a text, and what is to be made of it",
        read=read,
        measures=(
            Measure(
                name="target tokens",
                statistics=statistics,
                answers=TARGETS,
                words=Words(
                    accuracy="token accuracy",
                    loss="perplexity",
                    nats="nats per token",
                    scale="perplexity is the exponential of the mean loss of a target's token in "
                    "nats, given all tokens before it",
                    measured="perplexity, token accuracy and calibration error, of targets given "
                    "token by token",
                    exponential=True,
                ),
            ),
        ),
        example=Example(
            processor="tokenizer",
            use=(
                'inputs = tokenizer("A text.", return_tensors="pt")',
                "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=20)[0]))",
            ),
        ),
    )
)
