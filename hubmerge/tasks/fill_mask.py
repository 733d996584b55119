"""Fill-mask: masked language models, which say of hidden tokens which ones they were."""

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

AUTO_CLASS = "AutoModelForMaskedLM"
OTHERS = ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM")
"""Auto classes that say more of what a model is for, where they load it as well."""


def accepts(config: PreTrainedConfig) -> bool:
    """Whether transformers loads the model as a masked language model, and as no other one."""
    return loads(AUTO_CLASS, config) and not any(loads(other, config) for other in OTHERS)


def probe(model: PreTrainedModel, rows: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """See `probe_inputs`."""
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def read(data: DataSet, wanted: ReadFor) -> Reading:
    """Texts of which some tokens are hidden. Raises: DataError."""
    from hubmerge.data.masked_rows import read_masked

    return read_masked(data, wanted)


def statistics(config: PreTrainedConfig) -> RowStatistics:
    """Figures of each text: logits over a vocabulary would not fit into memory."""
    from hubmerge.models.token_outputs import TokenStatistics

    return TokenStatistics()


TASK = register(
    Task(
        name="fill-mask",
        summary="masked language models",
        pipeline_tag="fill-mask",
        auto_class=AUTO_CLASS,
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes={},
        companion_files=TOKENIZER_FILES,
        probe=probe,
        inputs=("text",),
        columns="a text",
        read=read,
        measures=(
            Measure(
                name="masked tokens",
                statistics=statistics,
                answers=None,
                words=Words(
                    accuracy="masked-token accuracy",
                    loss="pseudo-perplexity",
                    nats="nats per masked token",
                    scale="pseudo-perplexity is the exponential of the mean loss of a masked token "
                    "in nats; 15% of the tokens of a text are masked at once",
                    measured="pseudo-perplexity, masked-token accuracy and calibration error",
                    exponential=True,
                ),
            ),
        ),
        example=Example(
            processor="tokenizer",
            use=(
                'inputs = tokenizer(f"The {tokenizer.mask_token} sleeps.", return_tensors="pt")',
                'hidden = inputs["input_ids"][0] == tokenizer.mask_token_id',
                "print(tokenizer.decode(model(**inputs).logits[0, hidden].argmax(-1)))",
            ),
        ),
    )
)
