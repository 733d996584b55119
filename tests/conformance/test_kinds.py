"""Kinds of models of the Hub through plan, a merge without a spec, and a merge by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from hubmerge.errors import DerivationError, FamilyError
from hubmerge.hub.destination import Destination
from hubmerge.hub.load import stored_in
from hubmerge.pipeline.merge_result import MergeResult
from hubmerge.pipeline.plan import plan
from hubmerge.pipeline.run import run
from hubmerge.recipe import Recipe, make_recipe
from tests.helpers.kinds import KINDS


def pair(name: str, place: Path) -> tuple[str, str]:
    """Two models of a kind, the first in several shards."""
    for seed, letter in ((1, "a"), (2, "b")):
        size = "60KB" if letter == "a" else "50GB"
        KINDS[name].build(seed).save_pretrained(place / letter, max_shard_size=size)
    return str(place / "a"), str(place / "b")


def check_whole(result: MergeResult, a: str, name: str) -> None:
    """Names, shapes, dtypes and shards are A's; all is accounted for, and stock code loads it."""
    assert stored_in(result.folder) == stored_in(Path(a))
    shards = [
        {p.name: {*load_file(p)} for p in Path(at).glob("model*.safetensors")}
        for at in (result.folder, a)
    ]
    assert shards[0] == shards[1]
    kind = getattr(transformers, KINDS[name].name)
    model, said = kind.from_pretrained(result.folder, output_loading_info=True)
    assert not any(said[word] for word in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    found = result.report.merged.tensors
    assert found is not None
    buffers = {n for n, _ in model.named_buffers()}
    assert found.count == len({*model.state_dict(), *buffers})


def check_mixed(result: MergeResult, a: str, b: str) -> None:
    """No tensor is a parent's own where the parents differ: none was left out in silence."""
    first, other = load_files(Path(a)), load_files(Path(b))
    for name, value in load_files(result.folder).items():
        if value.is_floating_point() and not torch.equal(first[name], other[name]):
            assert torch.isfinite(value).all()
            assert not torch.equal(value, first[name]), name
            assert not torch.equal(value, other[name]), name


def load_files(folder: Path) -> dict[str, torch.Tensor]:
    return {n: t for p in folder.glob("model*.safetensors") for n, t in load_file(p).items()}


def averaged(name: str, place: Path) -> tuple[str, str]:
    """Two models of a kind, planned and merged as they are: whole, and all of it mixed."""
    a, b = pair(name, place)
    plain = make_recipe(models=(a, b), match="none", repair="none")
    plan(plain)
    result = run(plain, Destination(out=place / "plain"))
    check_whole(result, a, name)
    check_mixed(result, a, b)
    return a, b


def test_a_model_without_a_spec_is_merged_whole(tmp_path: Path) -> None:
    averaged("mamba", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KINDS])
def test_every_kind_is_planned_merged_and_matched(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    a, b = averaged(name, tmp_path)
    matched = make_recipe(models=(a, b), match="weights", repair="none")
    why = refusal(matched)
    record_property("refused", why)
    if why is None:
        check_whole(run(matched, Destination(out=tmp_path / "matched")), a, name)


def refusal(recipe: Recipe) -> str | None:
    """Why there is no spec for models; None if there is one."""
    try:
        plan(recipe)
    except (DerivationError, FamilyError) as refused:
        return f"{refused}\n{refused.hint}"
    return None
