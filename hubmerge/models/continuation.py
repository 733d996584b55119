"""What a language model writes after a prompt."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel


def continuation(model: PreTrainedModel, tokenizer: Any, prompt: str, tokens: int) -> str | None:
    """At most so many tokens, greedily; of an encoder-decoder, what it makes of the prompt.

    None, if the prompt has no tokens, or leaves no room for one.
    """
    inputs = tokenizer(prompt, return_tensors="pt")
    longest = getattr(model.config, "max_position_embeddings", None) or 2**15
    given = inputs["input_ids"].shape[1]
    room = min(tokens, longest - given)
    if room < 1 or not given:
        return None
    ids = {name: inputs[name] for name in ("input_ids", "attention_mask") if name in inputs}
    generates: Any = model
    with torch.inference_mode():
        made = generates.generate(**ids, max_new_tokens=room, do_sample=False)[0]
    start = 0 if model.config.is_encoder_decoder else given
    return str(tokenizer.decode(made[start:], skip_special_tokens=True)).strip()
