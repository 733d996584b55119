"""What a language model writes after a few prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

ALIKE = 1e-3
"""Share of the largest logit up to which a prompt says the same beside longer ones and alone."""


def continuations(
    model: PreTrainedModel, tokenizer: Any, prompts: Sequence[str], tokens: int
) -> list[str | None]:
    """At most so many tokens after each, greedily; of an encoder-decoder, what it makes of them.

    All prompts are run side by side, so that every weight is used once a token; one by one where a
    model says something else of a prompt that is filled up to the length of others.
    None for a prompt that has no tokens, or leaves no room for one.
    """
    given = [list(tokenizer(prompt)["input_ids"]) for prompt in prompts]
    longest = getattr(model.config, "max_position_embeddings", None) or 2**15
    asked = [row for row in given if 0 < len(row) < longest]
    if not asked:
        return [None] * len(given)
    room = min(tokens, longest - max(map(len, asked)))
    written, first = _written(model, tokenizer, asked, room)
    if not _says_alone(model, tokenizer, asked, first):
        written = [_written(model, tokenizer, [row], room)[0][0] for row in asked]
    left = iter(written)
    return [next(left) if row in asked else None for row in given]


def _written(
    model: PreTrainedModel, tokenizer: Any, rows: Sequence[list[int]], room: int
) -> tuple[list[str], Tensor]:
    """What follows each row, and the logits of its first token, [rows, vocabulary]."""
    generates: Any = model
    fill = _fill(tokenizer)
    with torch.inference_mode():
        made = generates.generate(
            **_filled(model, rows, fill),
            max_new_tokens=room,
            do_sample=False,
            pad_token_id=fill,
            return_dict_in_generate=True,
            output_logits=True,
        )
    start = 0 if model.config.is_encoder_decoder else max(map(len, rows))
    ends = generates.generation_config.eos_token_id
    stops = {*(ends if isinstance(ends, list) else [ends])}
    texts = []
    for row in made.sequences[:, start:].tolist():
        end = next((n for n, token in enumerate(row[1:], 1) if token in stops), len(row))
        texts.append(str(tokenizer.decode(row[:end], skip_special_tokens=True)).strip())
    return texts, made.logits[0]


def _says_alone(
    model: PreTrainedModel, tokenizer: Any, rows: Sequence[list[int]], first: Tensor
) -> bool:
    """Whether the row that was filled up most says the same without that."""
    shortest = min(range(len(rows)), key=lambda number: len(rows[number]))
    if len(rows[shortest]) == max(map(len, rows)):
        return True
    alone = _written(model, tokenizer, [rows[shortest]], 1)[1][0]
    return bool((alone - first[shortest]).abs().max() <= ALIKE * alone.abs().max())


def _fill(tokenizer: Any) -> int:
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((token for token in known if token is not None), 0)


def _filled(model: PreTrainedModel, rows: Sequence[list[int]], fill: int) -> dict[str, Tensor]:
    """Rows of one length, filled up where the model does not go on from; and what is theirs."""
    longest = max(map(len, rows))
    after = model.config.is_encoder_decoder

    def row(own: list[int], other: int) -> list[int]:
        more = [other] * (longest - len(own))
        return [*own, *more] if after else [*more, *own]

    return {
        "input_ids": torch.tensor([row(each, fill) for each in rows]),
        "attention_mask": torch.tensor([row([1] * len(each), 0) for each in rows]),
    }
