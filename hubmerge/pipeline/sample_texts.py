"""What parents and merge of a language model write after fixed prompts, for the card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel

from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.models.continuation import continuations
from hubmerge.models.lookup import bytes_of_a_pass, looks_up
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.load import MergeInputs
from hubmerge.reporting.schema.report import SampleText
from hubmerge.utils.parent_names import roles

TASK = "text-generation"
PROMPTS = ("Once upon a time", "The most important thing is", "def add(a, b):")
TOKENS = 24
"""Written after each prompt, at most."""

MOST_PARAMETERS = 4_000_000_000
"""Of a model that writes: every token uses all weights once. Whatever memory there is, so that a
card does not depend on it."""


def sample_texts(run: Run, inputs: MergeInputs, merge: LoadedModel) -> tuple[SampleText, ...]:
    """Continuations by every parent and the merge, greedily; none where nothing is measured.

    Called by all processes alike, which share the models.
    """
    if not _writes(inputs, merge) or too_large(merge.model):
        return ()
    names = roles("parent", len(inputs.models))
    parents = [inputs.parents.model(number) for number in range(len(names))]
    tokenizers = [each.tokenizer for each in (*inputs.models, merge)]
    asked = [*zip((*parents, merge.model), tokenizers, strict=True)]
    size = bytes_of_a_pass(merge.model) if looks_up(merge.model) else 0
    written = run.workers.map(lambda each: _written(*each), asked, "writing samples", size=size)
    found = []
    for prompt, texts in zip(PROMPTS, zip(*written, strict=True), strict=True):
        said = {role: text for role, text in zip((*names, "merge"), texts, strict=True) if text}
        if "merge" in said:
            found.append(SampleText(prompt=prompt, texts=said))
    return tuple(found)


def why_no_samples(inputs: MergeInputs, merge: LoadedModel) -> str | None:
    """Why models that write show no sample of it; None where they do, or are none."""
    if not _writes(inputs, merge) or not too_large(merge.model):
        return None
    return (
        f"No samples of text are shown: every token reads all weights, and these models have more "
        f"than {MOST_PARAMETERS:,} parameters."
    )


def too_large(model: PreTrainedModel) -> bool:
    """Whether a model has too many parameters to write samples."""
    return sum(parameter.numel() for parameter in model.parameters()) > MOST_PARAMETERS


def _writes(inputs: MergeInputs, merge: LoadedModel) -> bool:
    """Whether what is merged are measured language models."""
    return inputs.splits is not None and merge.task is not None and merge.task.name == TASK


def _written(model: PreTrainedModel, tokenizer: Any) -> Sequence[str | None]:
    """What the model writes after each of the prompts."""
    nothing = [None] * len(PROMPTS)
    if tokenizer is None:
        return nothing
    try:
        return continuations(model, tokenizer, PROMPTS, TOKENS)
    except Exception:  # a sample is no part of a merge, and fails none
        return nothing
