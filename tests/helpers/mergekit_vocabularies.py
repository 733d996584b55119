"""What mergekit makes of models with different vocabularies: three Llamas and their base.

    python -m tests.helpers.mergekit_vocabularies

writes `mergekit_vocabularies.safetensors` beside this file, tables by token, where mergekit is
installed (`pip install "hubmerge[compare]"`; what lies there was made by version 0.1.5).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

FILE = Path(__file__).with_name("mergekit_vocabularies.safetensors")
WORDS = ("end", "sun", "moon", "star", "sky", "sea")
ADDED = {"base": (), "a": ("<a>",), "b": ("<b>", "<both>", "<i>"), "c": ("<both>", "<c>")}
"""Tokens that each model has beside the words."""
ROWS = {"base": 8, "a": 7, "b": 12, "c": 8}
"""Of each model's tables; some are larger than the vocabulary."""
ORDER = {"c": (0, 3, 1, 5, 4, 2)}
"""In which models have the words; others have them in the order above."""

YAMLS = {
    "union": """
merge_method: linear
base_model: ./a
models:
- {model: ./a, parameters: {weight: .25}}
- {model: ./b, parameters: {weight: .75}}
tokenizer: {source: union}
dtype: float32
""",
    "union-of-three": """
merge_method: linear
models:
- {model: ./c, parameters: {weight: 1}}
- {model: ./b, parameters: {weight: 2}}
- {model: ./a, parameters: {weight: 1}}
tokenizer: {source: union}
dtype: float32
""",
    "a-model": """
merge_method: linear
models:
- {model: ./a, parameters: {weight: .5}}
- {model: ./c, parameters: {weight: .5}}
tokenizer_source: ./c
dtype: float32
""",
    "task-vectors": """
merge_method: task_arithmetic
base_model: ./base
models:
- {model: ./b, parameters: {weight: .7}}
- {model: ./c, parameters: {weight: .6}}
parameters: {lambda: .9}
tokenizer: {source: union}
dtype: float32
""",
    "of-base": """
merge_method: task_arithmetic
base_model: ./base
models:
- {model: ./b, parameters: {weight: .7}}
- {model: ./c, parameters: {weight: .6}}
tokenizer_source: base
dtype: float32
""",
    "tokens": """
merge_method: linear
models:
- {model: ./a, parameters: {weight: .5}}
- {model: ./b, parameters: {weight: .5}}
tokenizer:
  source: union
  tokens:
    <b>: {source: {kind: model_token, model: ./a, token: sun}}
    <i>: {source: {kind: zero}}
    <a>: {source: ./a}
    moon: {source: ./b, force: true}
dtype: float32
""",
}

Tables = dict[str, Tensor]
"""Name of a table and a token ("lm_head.weight:sun") -> its row."""


def words_of(name: str) -> list[str]:
    """A model's vocabulary, by number."""
    return [WORDS[n] for n in ORDER.get(name, range(len(WORDS)))]


def place(folder: Path) -> None:
    """Writes the four models, with their tokenizers, into `folder`."""
    for seed, (name, added) in enumerate(ADDED.items()):
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=ROWS[name],
            hidden_size=4,
            intermediate_size=6,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            initializer_range=0.5,
            bos_token_id=0,
            eos_token_id=0,
        )
        LlamaForCausalLM(config).save_pretrained(folder / name)
        words = {word: number for number, word in enumerate(words_of(name))}
        backend = Tokenizer(WordLevel(words, WORDS[0]))
        backend.pre_tokenizer = Whitespace()
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=backend, eos_token=WORDS[0], unk_token=WORDS[0]
        )
        tokenizer.add_tokens(list(added), special_tokens=True)
        tokenizer.save_pretrained(folder / name)


def rows_in(folder: Path) -> Tables:
    """The rows of a checkpoint's two tables, by token."""
    found: Tables = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    vocabulary = PreTrainedTokenizerFast.from_pretrained(folder).get_vocab()
    return {
        f"{table}:{token}": found[table][number].clone()
        for table in ("model.embed_tokens.weight", "lm_head.weight")
        for token, number in vocabulary.items()
    }


def read() -> dict[str, Tables]:
    """Name of a YAML -> rows."""
    found: dict[str, Tables] = {}
    for key, value in load_file(FILE).items():
        name, _, row = key.partition("/")
        found.setdefault(name, {})[row] = value
    return found


def write() -> None:
    """Makes the file anew."""
    import yaml
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    merges = {}
    with tempfile.TemporaryDirectory() as place_of_all:
        folder = Path(place_of_all)
        place(folder)
        for name, text in YAMLS.items():
            wanted = yaml.safe_load(text.replace("./", f"{folder}/"))
            options = MergeOptions(quiet=True, write_model_card=False)
            out = folder / f"of-{name}"
            run_merge(MergeConfiguration.model_validate(wanted), str(out), options=options)
            merges[name] = rows_in(out)
            print(name, json.dumps(sorted({key.partition(":")[2] for key in merges[name]})))
    save_file({f"{n}/{key}": row for n, rows in merges.items() for key, row in rows.items()}, FILE)


if __name__ == "__main__":
    write()
