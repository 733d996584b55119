"""Models whose configuration asks for more than answers, or for tuples, merge as others do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hubmerge as hm
from tests.helpers.small_models import save, tiny_vit


@pytest.mark.parametrize("field", ["return_dict", "output_attentions", "output_hidden_states"])
def test_what_a_forward_returns_beside_its_answer(field: str, tmp_path: Path) -> None:
    """The merge says it as parent A does."""
    said = field != "return_dict"
    for seed, name in enumerate("ab"):
        folder = save(tmp_path / name, tiny_vit(seed))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, field: said}))
    models = (str(tmp_path / "a"), str(tmp_path / "b"))
    made = hm.run(hm.Recipe(models=models, match="weights"), out=tmp_path / "out")
    assert json.loads((made.folder / "config.json").read_text())[field] is said
    assert hm.verify(made.folder).outcome.value == "identical"
