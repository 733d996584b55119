"""What parents and merge of a language model write after fixed prompts, for the card."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.models.continuation import continuation
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.load import MergeInputs
from hubmerge.reporting.schema.report import SampleText
from hubmerge.utils.parent_names import roles

TASK = "text-generation"
PROMPTS = ("Once upon a time", "The most important thing is", "def add(a, b):")
TOKENS = 24
"""Written after each prompt, at most."""


def sample_texts(run: Run, inputs: MergeInputs, merge: LoadedModel) -> tuple[SampleText, ...]:
    """Continuations by every parent and the merge, greedily; none where nothing is measured.

    Called by all processes alike; the main one asks the models.
    """
    task = merge.task
    if inputs.splits is None or task is None or task.name != TASK:
        return ()
    names = roles("parent", len(inputs.models))
    parents = [inputs.parents.model(number) for number in range(len(names))]
    tokenizers = [each.tokenizer for each in (*inputs.models, merge)]
    asked = [*zip((*names, "merge"), (*parents, merge.model), tokenizers, strict=True)]

    def samples() -> tuple[SampleText, ...]:
        found = []
        for prompt in PROMPTS:
            texts = {role: _written(model, reader, prompt) for role, model, reader in asked}
            said = {role: text for role, text in texts.items() if text}
            if "merge" in said:
                found.append(SampleText(prompt=prompt, texts=said))
        return tuple(found)

    with run.workers.single_threaded_ops():
        return run.workers.on_main(samples)


def _written(model: PreTrainedModel, tokenizer: Any, prompt: str) -> str | None:
    if tokenizer is None:
        return None
    try:
        return continuation(model, tokenizer, prompt, TOKENS)
    except Exception:  # a sample is no part of a merge, and fails none
        return None
