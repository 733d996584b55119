"""Small language models trained apart on the source code of transformers.

GPT-2-like ones have learned positions, LayerNorm and a tied head, Llama-like ones rotary positions,
RMSNorm, grouped queries and a head of their own: each as transformers builds them. They are kept as
`trained.kept` keeps everything.
"""

from __future__ import annotations

import importlib.metadata
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from trained import kept
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

LINES = 12
"""Of a text."""
TEXTS = {"test": 1000, "validation": 500, "train": 10_000}
"""At most, in the order in which files are taken for them."""
OF_A_FILE = 60
END = "<|end|>"
SMOOTHING = 1.0
"""Of the bigram model: a token's own frequency weighs as much as so many pairs seen."""


@dataclass(frozen=True)
class Course:
    """How a language model is built and trained."""

    vocabulary: int = 2048
    width: int = 256
    layers: int = 4
    heads: int = 8
    keys: int = 4
    inner: int = 672
    tokens: int = 64
    rows: int = 32
    steps: int = 1000
    rate: float = 2e-3


COURSES = {
    "full": Course(),
    "small": Course(vocabulary=1024, width=128, heads=4, keys=2, inner=344, steps=400, rate=3e-3),
    "quick": Course(
        vocabulary=300, width=16, layers=1, heads=2, keys=1, inner=24, rows=4, tokens=16, steps=3
    ),
}
"""By name: models of 3.7 (GPT-2) and 4.0 million parameters, of a fifth of that, and tiny ones."""


@cache
def texts() -> DatasetDict:
    """Twelve lines of source code each, without comments; no file is in two splits."""
    files = [p for p in importlib.metadata.files("transformers") or () if p.suffix == ".py"]
    files.sort(key=str)
    random.Random(0).shuffle(files)
    pieces = (cut(Path(str(file.locate())).read_text("utf-8", "replace")) for file in files)
    rows: dict[str, list[str]] = {}
    for split, most in TEXTS.items():
        mine: list[str] = []
        while len(mine) < most and (some := next(pieces, None)) is not None:
            mine += some
        rows[split] = random.Random(0).sample(mine[:most], min(most, len(mine)))
    return DatasetDict({split: Dataset.from_dict({"text": some}) for split, some in rows.items()})


def cut(text: str) -> list[str]:
    """A file in pieces."""
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    most = min(len(lines), OF_A_FILE * LINES)
    return ["\n".join(lines[k : k + LINES]) for k in range(0, most - LINES + 1, LINES)]


@cache
def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """Byte pairs of the training texts."""
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(list(texts()["train"]["text"]), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=found, eos_token=END, bos_token=END)


@cache
def stream(size: int, split: str = "train") -> Tensor:
    """All texts of a split end to end, int64 [tokens], each closed by `END`."""
    words = tokenizer(size)
    found = words(list(texts()[split]["text"]))["input_ids"]
    return torch.tensor([token for text in found for token in (*text, words.eos_token_id)])


def gpt2(course: Course) -> PreTrainedModel:
    """Untrained, its head tied."""
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=course.vocabulary,
            n_positions=course.tokens,
            n_embd=course.width,
            n_layer=course.layers,
            n_head=course.heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def llama(course: Course) -> PreTrainedModel:
    """Untrained, its head its own."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=course.vocabulary,
            max_position_embeddings=course.tokens,
            hidden_size=course.width,
            num_hidden_layers=course.layers,
            num_attention_heads=course.heads,
            num_key_value_heads=course.keys,
            intermediate_size=course.inner,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


FAMILIES: dict[str, Callable[[Course], PreTrainedModel]] = {"gpt2": gpt2, "llama": llama}


def language_model(store: Path, family: str, seed: int, course: Course) -> Path:
    """Folder of a language model trained from scratch; the seed decides its start and its rows."""

    def make(folder: Path) -> None:
        torch.manual_seed(seed)
        model = FAMILIES[family](course)
        train(model, stream(course.vocabulary), seed, course)
        model.eval().save_pretrained(folder)
        tokenizer(course.vocabulary).save_pretrained(folder)

    decides = {"family": family, "seed": seed, **asdict(course), "texts": TEXTS}
    return kept(store, f"language-{family}", decides, make)


def train(model: PreTrainedModel, line: Tensor, seed: int, course: Course) -> None:
    """AdamW on random stretches of a line of tokens, its rate rising and falling in one cycle."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), course.rate, (0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, course.rate, total_steps=course.steps, pct_start=0.1
    )
    model.train()
    stretch = torch.arange(course.tokens)
    for _ in range(course.steps):
        starts = torch.randint(len(line) - course.tokens, (course.rows, 1), generator=generator)
        rows = line[starts + stretch]
        loss = model(input_ids=rows, labels=rows).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()


def blocks(course: Course, split: str) -> Tensor:
    """The texts of a split end to end, cut, int64 [blocks, course.tokens]."""
    line = stream(course.vocabulary, split)
    return line[: len(line) // course.tokens * course.tokens].view(-1, course.tokens)


def bigram_loss(course: Course, rows: Tensor) -> float:
    """Loss in nats per token, on blocks, of what follows what in training texts.

    Pairs are counted, and smoothed by how frequent a token is. Measured at the tokens at which a
    language model is: all but the first of a block.
    """
    line, size = stream(course.vocabulary), course.vocabulary
    single = torch.bincount(line, minlength=size).double() + 1
    pairs = torch.bincount(line[:-1] * size + line[1:], minlength=size**2).view(size, size)
    chances = (pairs + SMOOTHING * single / single.sum()) / (pairs.sum(1, keepdim=True) + SMOOTHING)
    return -float(chances[rows[:, :-1], rows[:, 1:]].log().mean())
