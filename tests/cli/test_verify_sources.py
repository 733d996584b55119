"""`hubmerge verify` where what a merge was made from has moved on, was exchanged, or is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from hubmerge.errors import UncheckedError
from hubmerge.localhub import EmbeddedHub
from tests.helpers import zoo
from tests.helpers.checking import ended, replace, set_figure, wrong
from tests.helpers.command_line import CommandLine

MEASURED = {"n", "verdict", "contenders", "comparisons", "barrier", "method", "data", "limits"}


def remake(
    hubmerge: CommandLine, hub: EmbeddedHub, parents: dict[str, dict], repo: str, tmp: Path
) -> Path:
    """A small measured merge of two models that are this test's own, pushed to `repo`."""
    for letter in "ab":
        zoo.push(hub, f"{repo}-{letter}", parents["mlp"][letter])
    zoo.push(hub, f"{repo}-data", zoo.write_data(tmp / "rows", zoo.rows()), "dataset")
    data = ["--dataset", f"{repo}-data", "--match", "weights", "--samples", 100]
    where = ["-o", tmp / "made", "--push", repo]
    hubmerge("merge", f"{repo}-a", f"{repo}-b", *data, *where).succeeded()
    return tmp / "made"


def test_a_moved_parent(
    hubmerge: CommandLine, hub: EmbeddedHub, parents: dict[str, dict], repo: str, tmp_path: Path
) -> None:
    """Its main branch: a remark. The commit in the recipe: just that. In both: the weights."""
    made = remake(hubmerge, hub, parents, repo, tmp_path)
    report = json.loads((made / "report.json").read_text())
    old = report["models"][1]["sha"]
    moved = tmp_path / "moved"
    shutil.copytree(parents["mlp"]["b"], moved)
    tensors = load_file(moved / "model.safetensors")
    save_file({name: value * 1.5 for name, value in tensors.items()}, moved / "model.safetensors")
    hub.api().upload_folder(repo_id=f"{repo}-b", folder_path=moved)
    new = str(hub.api().model_info(f"{repo}-b").sha)

    done = hubmerge("verify", repo, "--json").succeeded()
    assert done.json["outcome"] == "identical"
    assert done.json["remarks"] == [
        f"parent B, {repo}-b, has moved on to {new[:12]}; what was checked is the recorded commit "
        f"{old[:12]}"
    ]

    replace(made / "hubmerge.yaml", old, new)
    done = hubmerge("verify", made, "--json")
    assert wrong(done) == {("recipe", "model_b")}
    assert ("weights", "model.safetensors: made again") in ended(done, "identical")

    set_figure(made, "models", 1, "sha", to=new)
    done = hubmerge("verify", made, "--json")
    found = wrong(done)
    assert {what for part, what in found if part == "weights"} == {
        *load_file(made / "model.safetensors"),
        "model.safetensors: the report's hash, made again",
    }
    assert ("contenders", "contenders.parent_b.loss") in found
    assert ("contenders", "contenders.parent_a.loss") in ended(done, "identical")


def test_what_is_gone_is_said_and_never_taken_for_good(
    hubmerge: CommandLine, hub: EmbeddedHub, parents: dict[str, dict], repo: str, tmp_path: Path
) -> None:
    """First the data set, then a parent."""
    made = remake(hubmerge, hub, parents, repo, tmp_path)
    hub.api().delete_repo(f"{repo}-data", repo_type="dataset")
    done = hubmerge("verify", repo, "--json")
    done.refused(UncheckedError, "could not be checked in full")
    assert done.json["outcome"] == "not checked"
    unknown = {(part, f"everything in {part}") for part in (*MEASURED, "published")}
    assert ended(done, "not checked") == unknown
    assert ("weights", "model.safetensors: made again") in ended(done, "identical")
    reported = hubmerge("verify", made)
    reported.refused(UncheckedError)
    assert "Not settled" in reported.out
    assert f"the data set, {repo}-data@" in reported.out
    hubmerge("verify", repo, "--weights-only").succeeded()

    hub.api().delete_repo(f"{repo}-b")
    done = hubmerge("verify", repo, "--json")
    done.refused(UncheckedError)
    assert ("weights", "everything in weights") in ended(done, "not checked")
    assert ("weights", "model.safetensors: its hash in the report") in ended(done, "identical")
    assert done.json["remade_with"] is None
