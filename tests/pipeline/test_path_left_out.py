"""A merge whose recipe leaves the path out is otherwise the merge with one."""

from __future__ import annotations

from pathlib import Path

import hubmerge as hm
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.run import run
from hubmerge.verification.result import Outcome
from tests.helpers.small_merges import write_mlp, write_rows


def test_contenders_are_measured_and_no_point_between_them(tmp_path: Path) -> None:
    models = tuple(str(write_mlp(tmp_path / name, seed)) for seed, name in enumerate("ab"))
    recipe = hm.Recipe(
        models=models,
        dataset=str(write_rows(tmp_path / "rows")),
        match="weights",
        fuse="average",
        refine="none",
        samples=40,
    )
    short = run(recipe, Destination(out=tmp_path / "short")).report
    assert short.barrier.detail.naive is not None
    left_out = recipe.replace(path="none")
    report = run(left_out, Destination(out=tmp_path / "none")).report
    assert report.contenders == short.contenders
    assert report.comparisons == short.comparisons
    assert report.weights_sha256 == short.weights_sha256
    assert report.barrier.model_dump() == {
        "naive": None,
        "matched": None,
        "detail": {"naive": None, "matched": None},
        "left_out": True,
    }
    assert not (tmp_path / "none" / "barrier.png").exists()
    assert (
        "leaves the path between the parents out" in (tmp_path / "none" / "README.md").read_text()
    )
    found = hm.verify(str(tmp_path / "none"))
    assert {check.outcome for check in found.checks} == {Outcome.IDENTICAL}
