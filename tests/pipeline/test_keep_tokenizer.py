"""The tokenizer beside a merge reads texts as parent A's does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

import hubmerge as hm

MANY = 100_001
"""Tokens from which on stock code looks at what wrote the configuration."""
TEXT = "It's 2,024 degrees"


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of the kind whose tokenizer is read by the version that wrote config.json."""
    place = tmp_path_factory.mktemp("mistrals")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(f"word{n}" for n in range(MANY - len(alphabet))), "<unk>"]
    cut = Tokenizer(models.BPE(vocab={w: n for n, w in enumerate(words)}, merges=[]))
    cut.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\w+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    cut.decoder = decoders.ByteLevel()
    for seed in range(2):
        torch.manual_seed(seed)
        folder = place / str(seed)
        config = MistralConfig(
            vocab_size=len(words),
            hidden_size=4,
            intermediate_size=4,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
        )
        MistralForCausalLM(config).save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=cut, unk_token="<unk>").save_pretrained(folder)
        for name, said in (
            ("config.json", {"transformers_version": "4.57.1"}),
            ("tokenizer_config.json", {"fix_mistral_regex": True}),
        ):
            fields = json.loads((folder / name).read_text())
            (folder / name).write_text(json.dumps(fields | said))
    return place / "0", place / "1"


def pieces(folder: Path) -> object:
    backend = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    return backend.pre_tokenizer.pre_tokenize_str(TEXT)


def test_a_tokenizer_that_is_read_by_the_version_beside_it_stays_as_it_was_read(
    parents: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    recipe = hm.Recipe(models=tuple(map(str, parents)), match="none", repair="none")
    hm.run(recipe, out=out)
    assert pieces(out) == pieces(parents[0])
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        source = out if name == "config.json" else parents[0]
        (copied / name).write_bytes((source / name).read_bytes())
    assert pieces(copied) != pieces(parents[0])  # A's own files would be read otherwise
