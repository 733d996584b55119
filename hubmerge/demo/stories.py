"""Two small language models and the stories they were trained on: for the Space's examples.

The stories are made from a seed by a little grammar: what follows a word can be learned and is not
certain. Nothing is downloaded. The models differ in nothing but their seed, which draws the first
weights and the order of the stories; training runs on one thread.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from hubmerge.utils.progress import track
from hubmerge.utils.workers import Workers

END = "<end>"
ANIMALS = ["cat", "dog", "bird", "fox", "mouse", "horse", "owl", "frog"]
LIKE = ["small", "old", "quick", "red", "shy", "brave", "wise", "green"]
DOES = ["saw", "heard", "liked", "followed", "feared", "found", "helped", "called"]
ENDINGS = ["and they were friends", "and went home", "but it ran away"]
FRAME = "once upon a time there was . one day the and they were friends went home but it ran away"
WORDS = list(dict.fromkeys([END, *FRAME.split(), *ANIMALS, *LIKE, *DOES]))
HABIT = 0.8
"""How often an animal is and does what its kind does."""
ROWS = {"train": 2_000, "validation": 300, "test": 1_000}
TOKENS = 32
BATCH, STEPS, RATE = 32, 240, 4e-3

DATA_CARD = """\
---
license: apache-2.0
pretty_name: Stories of animals
task_categories: [text-generation]
configs:
- config_name: default
  data_files:
  - split: train
    path: train.parquet
  - split: validation
    path: validation.parquet
  - split: test
    path: test.parquet
---

# Stories of animals

{train:,} training, {validation:,} validation and {test:,} test stories of two sentences, made from
a seed by a little grammar, for trying out merges of language models. They are not language as
people speak it.
"""
CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
datasets: [{dataset}]
---

# {title}

A small Llama-like language model of {parameters:,} weights, trained from seed {seed} on
[stories of animals](https://huggingface.co/datasets/{dataset}) for trying out merges. It knows
{words} words.
"""


def stories(count: int, seed: int) -> list[str]:
    """So many stories from a seed."""
    draws = np.random.default_rng(seed)

    def one(words: list[str], near: int) -> int:
        usual = draws.random() < HABIT
        return near % len(words) if usual else int(draws.integers(len(words)))

    found = []
    for _ in range(count):
        who = int(draws.integers(len(ANIMALS)))
        like, does = one(LIKE, who), one(DOES, who + 1)
        other = one(ANIMALS, does + 2)
        end = ENDINGS[one(ENDINGS, other)]
        found.append(
            f"once upon a time there was a {LIKE[like]} {ANIMALS[who]} . one day the "
            f"{ANIMALS[who]} {DOES[does]} a {LIKE[one(LIKE, other)]} {ANIMALS[other]} {end} ."
        )
    return found


def write_stories(folder: Path) -> Path:
    """Write the data set to a new folder as the Hub keeps it; returns the folder."""
    splits = DatasetDict(
        {
            name: Dataset.from_dict({"text": stories(count, seed)})
            for seed, (name, count) in enumerate(ROWS.items())
        }
    )
    folder.mkdir(parents=True)
    for name, rows in splits.items():
        rows.to_parquet(folder / f"{name}.parquet")
    (folder / "README.md").write_text(DATA_CARD.format(**ROWS), encoding="utf-8")
    return folder


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word; what it does not know is the end of a story."""
    backend = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, END))
    backend.normalizer, backend.pre_tokenizer = Lowercase(), Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, unk_token=END)


def write_language_model(
    folder: Path, seed: int, *, repo: str, dataset: str, steps: int = STEPS
) -> Path:
    """Train a model from `seed` and write it with tokenizer and card; returns the folder, which is
    created in one step.
    """
    model = train(seed, steps=steps, what=f"training {repo}")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished)
    tokenizer().save_pretrained(unfinished)
    card = CARD.format(
        dataset=dataset,
        title=repo.rpartition("/")[2],
        parameters=model.num_parameters(),
        seed=seed,
        words=len(WORDS),
    )
    (unfinished / "README.md").write_text(card, encoding="utf-8")
    return unfinished.rename(folder)


def train(seed: int, *, steps: int = STEPS, what: str = "training") -> PreTrainedModel:
    """A model trained from `seed`; the global generator is left as it was."""
    line = _line()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(_config()).train()
    draws = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=max(1, steps))
    with Workers(threads=1).single_threaded_ops(), track(steps, what, unit="step") as bar:
        for _ in range(steps):
            starts = torch.randint(len(line) - TOKENS, (BATCH, 1), generator=draws)
            rows = line[starts + torch.arange(TOKENS)]
            optimiser.zero_grad()
            model(input_ids=rows, labels=rows).loss.backward()
            optimiser.step()
            schedule.step()
            bar.update(1)
    return model.eval()


def _line() -> Tensor:
    """The training stories as one line of tokens, an end after each."""
    cut = tokenizer()
    texts = stories(ROWS["train"], 0)
    return torch.tensor([token for text in texts for token in [*cut(text)["input_ids"], 0]])


def _config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=96,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=0,
    )
