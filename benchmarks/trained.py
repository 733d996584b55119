"""Models that benchmarks train once and keep: text, tokenizers, pairs from different seeds.

What is trained is kept in a folder under a hash of everything that decides it: configuration, seed,
steps, rows and the versions of torch and transformers. A run that was stopped goes on after the
last model that was finished.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

PACKAGES = (
    "torch",
    "transformers",
    "scipy",
    "pandas",
    "scikit-learn",
    "matplotlib",
    "gradio",
    "sympy",
)
"""Whose source code is read, and what a passage is told apart by."""
PASSAGE, PASSAGES = 12, 1600
"""Lines of a passage, and passages of every package."""
PAD, UNKNOWN, FIRST, LAST, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPLITS = {"train": 0.8, "validation": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Course:
    """How an encoder is trained: masked words first, then the packages of passages."""

    vocabulary: int = 2048
    width: int = 128
    layers: int = 3
    heads: int = 4
    tokens: int = 64
    rows: int = 32
    masked_steps: int = 1200
    class_steps: int = 600
    masked_rate: float = 1e-3
    class_rate: float = 3e-4


QUICK = Course(vocabulary=300, width=16, layers=1, heads=2, rows=4, masked_steps=3, class_steps=3)


@cache
def passages() -> DatasetDict:
    """Passages of installed packages' source code by package; no file is in two splits."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(PACKAGES))})
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for label, package in enumerate(PACKAGES):
        for split, some in _of_package(package).items():
            rows[split] += [{"text": text, "label": label} for text in some]
    shuffled = {split: random.Random(0).sample(some, len(some)) for split, some in rows.items()}
    return DatasetDict(
        {split: Dataset.from_list(some, features=features) for split, some in shuffled.items()}
    )


def _of_package(package: str) -> dict[str, list[str]]:
    files = sorted(
        (path for path in importlib.metadata.files(package) or () if path.suffix == ".py"), key=str
    )
    random.Random(0).shuffle(files)
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    wanted = {split: int(share * PASSAGES) for split, share in SPLITS.items()}
    for file in files:
        split = next((s for s in SPLITS if len(found[s]) < wanted[s]), None)
        if split is None:
            break
        found[split] += _cut(Path(str(file.locate())).read_text("utf-8", "replace"))
        found[split] = found[split][: wanted[split]]
    return found


def _cut(text: str) -> Iterator[str]:
    """Passages of a file, at most twenty, without the names that give the package away."""
    lines = [line for line in text.splitlines() if line.strip() and not _gives_away(line)]
    for start in range(0, min(len(lines), 20 * PASSAGE) - PASSAGE + 1, PASSAGE):
        yield "\n".join(lines[start : start + PASSAGE])


def _gives_away(line: str) -> bool:
    return line.lstrip().startswith(("import ", "from ", "#"))


def tokenizer(size: int) -> PreTrainedTokenizerFast:
    """Byte pairs of the training passages."""
    found = Tokenizer(models.BPE(unk_token=UNKNOWN))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    special = [PAD, UNKNOWN, FIRST, LAST, MASK]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(list(passages()["train"]["text"]), trainer)
    ends = [(token, found.token_to_id(token)) for token in (FIRST, LAST)]
    found.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A {LAST}", pair=f"{FIRST} $A {LAST} $B {LAST}", special_tokens=ends
    )
    names = {"pad": PAD, "unk": UNKNOWN, "cls": FIRST, "sep": LAST, "mask": MASK}
    return PreTrainedTokenizerFast(
        tokenizer_object=found, **{f"{name}_token": token for name, token in names.items()}
    )


def encoder(store: Path, seed: int, course: Course) -> Path:
    """Folder of a BERT trained from scratch: masked words, then which package a passage is from."""

    def make(folder: Path) -> None:
        words = tokenizer(course.vocabulary)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=course.width,
            num_hidden_layers=course.layers,
            num_attention_heads=course.heads,
            intermediate_size=4 * course.width,
            max_position_embeddings=course.tokens,
            pad_token_id=words.pad_token_id,
            id2label=dict(enumerate(PACKAGES)),
            label2id={name: label for label, name in enumerate(PACKAGES)},
        )
        words.model_max_length = course.tokens
        torch.manual_seed(seed)
        whole = BertForMaskedLM(config)
        generator = torch.Generator().manual_seed(seed)
        texts = _encoded(words, course)
        masked = _masked(words, generator)
        _train(whole, texts, masked, generator, course.masked_steps, course.masked_rate, course)
        model = BertForSequenceClassification(config)
        model.bert.embeddings.load_state_dict(whole.bert.embeddings.state_dict())
        model.bert.encoder.load_state_dict(whole.bert.encoder.state_dict())
        _train(model, texts, _labelled, generator, course.class_steps, course.class_rate, course)
        model.eval().save_pretrained(folder)
        words.save_pretrained(folder)

    return kept(store, "encoder", {"seed": seed, **asdict(course)}, make)


Rows = dict[str, Tensor]


def _encoded(words: PreTrainedTokenizerFast, course: Course) -> Rows:
    rows = passages()["train"]
    found = words(
        list(rows["text"]),
        padding="max_length",
        truncation=True,
        max_length=course.tokens,
        return_tensors="pt",
    )
    kept = {name: found[name] for name in ("input_ids", "attention_mask")}
    return {**kept, "labels": torch.tensor(list(rows["label"]))}


def _labelled(rows: Rows) -> Rows:
    return rows


def _masked(words: PreTrainedTokenizerFast, generator: torch.Generator) -> Callable[[Rows], Rows]:
    """Rows with 15% of their words hidden, to be found again (arXiv:1810.04805, section 3.1)."""

    def mask(rows: Rows) -> Rows:
        ids = rows["input_ids"]
        hidden = torch.rand(ids.shape, generator=generator) < 0.15
        hidden &= ids >= len({PAD, UNKNOWN, FIRST, LAST, MASK})
        return {
            "input_ids": ids.masked_fill(hidden, words.mask_token_id),
            "attention_mask": rows["attention_mask"],
            "labels": ids.masked_fill(~hidden, -100),
        }

    return mask


def _train(
    model: PreTrainedModel,
    rows: Rows,
    prepared: Callable[[Rows], Rows],
    generator: torch.Generator,
    steps: int,
    rate: float,
    course: Course,
) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.1
    )
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(rows["labels"]), (course.rows,), generator=generator)
        loss = model(**prepared({name: value[chosen] for name, value in rows.items()})).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()


def kept(store: Path, name: str, decides: dict[str, Any], make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, filled once for everything that decides what it becomes."""
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    rows = {package: importlib.metadata.version(package) for package in PACKAGES}
    text = json.dumps({**decides, **versions, "text": rows}, sort_keys=True)
    folder = store / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(folder)
    return folder
