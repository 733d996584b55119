"""Two tiny language models of each family, really trained on a small text, with their tokenizer.

The text is made from a seed: sentences of a little grammar, so that what follows a word can be
learned and is not certain.
"""

from __future__ import annotations

from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

END = "<end>"
WHO = ["cat", "dog", "bird", "fox", "mouse", "horse"]
LIKE = ["small", "old", "quick", "red", "shy", "brave"]
DOES = ["sees", "hears", "likes", "follows", "fears", "finds"]
JOINS = ["and", "but", "while"]
WORDS = [END, ".", "the", "a", *WHO, *LIKE, *DOES, *JOINS]
TOKENS = 16
STEPS, ROWS = 120, 16


def sentences(count: int, seed: int) -> list[str]:
    """Texts in which animals of a kind do what their kind does more often than not."""
    generator = torch.Generator().manual_seed(seed)

    def one(words: list[str], near: int | None = None) -> int:
        if near is not None and float(torch.rand((), generator=generator)) < 0.8:
            return near
        return int(torch.randint(len(words), (), generator=generator))

    found = []
    for _ in range(count):
        words: list[str] = []
        for _ in range(3):
            who = one(WHO)
            like, does = one(LIKE, who), one(DOES, (who + 1) % len(DOES))
            other = one(WHO, (does + 2) % len(WHO))
            words += ["the", LIKE[like], WHO[who], DOES[does], "a", WHO[other], JOINS[one(JOINS)]]
        found.append(" ".join([*words[:-1], "."]))
    return found


def data(folder: Path) -> Path:
    """A data set of texts, as `save_to_disk` writes it."""
    splits = {
        "train": Dataset.from_dict({"text": sentences(200, 1)}),
        "validation": Dataset.from_dict({"text": sentences(80, 2)}),
        "test": Dataset.from_dict({"text": sentences(160, 3)}),
    }
    DatasetDict(splits).save_to_disk(str(folder))
    return folder


def tokenizer(words: list[str] = WORDS) -> PreTrainedTokenizerFast:
    """One token a word."""
    backend = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, END))
    backend.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, unk_token=END)


def gpt2(**config: object) -> PreTrainedModel:
    """Tied, as GPT-2 is."""
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 64, "n_positions": TOKENS}
    return GPT2LMHeadModel(GPT2Config(**sizes, **_words(), **config))


def llama(**config: object) -> PreTrainedModel:
    """Four queries on two keys, not tied."""
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=TOKENS,
            **_words(),
            **config,
        )
    )


def _words() -> dict[str, int]:
    return {"vocab_size": len(WORDS), "bos_token_id": 0, "eos_token_id": 0}


BUILD = {"gpt2": gpt2, "llama": llama}


def stream() -> Tensor:
    """The training texts as one line of tokens."""
    cut = tokenizer()
    return torch.tensor([t for text in sentences(400, 0) for t in [*cut(text)["input_ids"], 0]])


def trained(family: str, seed: int) -> PreTrainedModel:
    """From its own seed, on its own order of the text."""
    torch.manual_seed(seed)
    model, line = BUILD[family]().train(), stream()
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
    for step in range(STEPS):
        starts = torch.randint(len(line) - TOKENS, (ROWS,)).unsqueeze(1)
        rows = line[starts + torch.arange(TOKENS)]
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1.0, 2 * (1 - step / STEPS))
        optimiser.zero_grad()
        model(input_ids=rows, labels=rows).loss.backward()
        optimiser.step()
    return model.eval()


def saved(model: PreTrainedModel, folder: Path, words: list[str] = WORDS) -> Path:
    """The model with its tokenizer beside it."""
    model.save_pretrained(folder)
    tokenizer(words).save_pretrained(folder)
    return folder
