"""docs/spec.md teaches what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, IJepaConfig, IJepaForImageClassification

from hubmerge.errors import SpecError
from hubmerge.models import probe_inputs, shaken
from hubmerge.specs.bind import bind
from hubmerge.specs.family import SPECS_VARIABLE, Family
from hubmerge.specs.notation import parse
from hubmerge.specs.tables import Block, Head
from hubmerge.symmetry.laws import prove, spec_of
from tests.helpers.families import family
from tests.specs.test_layouts import GPT2

PAGE = (Path(__file__).parents[2] / "docs" / "spec.md").read_text(encoding="utf-8")


def test_the_family_it_writes_from_nothing_is_proved(tmp_path, monkeypatch):
    text = PAGE.split("```toml\n# my-specs/ijepa.toml")[1].split("```")[0]
    (tmp_path / "ijepa.toml").write_text(text)
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path))
    model = shaken(
        IJepaForImageClassification(
            IJepaConfig(
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=24,
                image_size=8,
                patch_size=4,
                num_labels=3,
            )
        )
    )
    model = model.double().eval()
    spec = spec_of(model)
    assert len(spec.free_spaces()) == 1 + 2 * 4
    assert prove(model, spec, probe_inputs(model)).deviation < 1e-12
    watched = {name for watch in spec.watches for name in watch.layout.names()}
    assert set(spec.free_spaces()) <= watched


def test_every_layout_in_its_tables_can_be_read():
    layouts = PAGE.split("| layout | axes |")[1].split("\n\n")[0]
    quoted = re.findall(r"`([^`]+)`", layouts)
    assert len(quoted) > 15
    assert all(parse(text) for text in quoted)


def test_it_names_every_table_and_key_of_the_language():
    keys = {*Block.model_fields, *Head.model_fields, *Family.model_fields}
    keys -= {"name", "path", "text", "chosen", "written"}
    assert {"flow", "when", "joined_unless", "watch", "buffer"} <= keys
    for key in keys:
        assert re.search(rf"`?\[*{key}\]*`?", PAGE), key
    assert SPECS_VARIABLE in PAGE


def test_the_error_it_shows_is_the_one_there_is(tmp_path):
    """But for the name and the line of the file."""
    text = GPT2.replace('"mlp.c_proj.weight" = "ff resid"', '"mlp.c_proj.weight" = "resid ff"')
    assert text != GPT2
    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(n_layer=1))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    with pytest.raises(SpecError) as refused:
        bind(family(tmp_path, text), model.config, shapes)
    shown = PAGE.split("```text\n")[1].split("```")[0].strip()
    place = re.compile(r"\w+/\w+.toml, line \d+")
    assert place.sub("", shown) == place.sub("", str(refused.value))
