"""The whole way of a merge through a job of the embedded Hub, from the plan to the pushed card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.errors import RecipeError, UnconfirmedError
from hubmerge.localhub import EmbeddedHub, LocalJobs, embedded_hub
from hubmerge.pipeline.publish import read_report
from hubmerge.recipe import read_recipe


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    with embedded_hub(tmp_path_factory.mktemp("hub"), jobs=LocalJobs()) as hub:
        yield hub


@pytest.fixture
def parents(hub: EmbeddedHub, tmp_path: Path) -> list[str]:
    """Two tiny language models on the Hub."""
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    api = hub.api()
    for seed, name in enumerate(("left", "right")):
        torch.manual_seed(seed)
        LlamaForCausalLM(LlamaConfig(**shape, **heads)).save_pretrained(tmp_path / name)
        (tmp_path / name / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A parent\n")
        api.create_repo(f"me/{name}", exist_ok=True)
        api.upload_folder(repo_id=f"me/{name}", folder_path=tmp_path / name)
    return ["me/left", "me/right"]


def test_a_merge_goes_from_its_plan_to_its_card(
    hub: EmbeddedHub, parents: list[str], tmp_path: Path
) -> None:
    command = ["merge", *parents, "--match", "none", "--push", "me/both", "--on", "hf-jobs"]
    line, api = CliRunner(), hub.api()

    asked = line.invoke(app, command)
    assert isinstance(asked.exception, UnconfirmedError)
    assert "pushes to  me/both (public)" in asked.stderr
    assert not api.repo_exists("me/both")
    local = ["merge", str(tmp_path / "left"), "me/right", *command[3:]]
    with pytest.raises(RecipeError, match="lies on this machine"):
        line.invoke(app, local, catch_exceptions=False)

    planned = line.invoke(app, ["plan", *command[1:], "--json"], catch_exceptions=False)
    said = json.loads(planned.stdout)
    assert (said["pushes_to"], said["private"]) == ("me/both", False)
    assert said["memory"] >= said["needed_memory"] > 0
    assert 0 < said["dollars"] <= said["most_dollars"]
    assert [each["id"] for each in said["merge"]["models"]] == parents
    assert not api.repo_exists("me/hubmerge-jobs", repo_type="dataset")

    done = line.invoke(app, [*command, "--yes"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "started http://127.0.0.1" in done.stderr
    assert "Not matched; fused by average" in done.stdout
    assert f"published        {hub.url}/me/both" in done.stdout
    card = api.hf_hub_download("me/both", "README.md", local_dir=tmp_path / "both")
    assert "me/left" in Path(card).read_text()
    recipe = api.hf_hub_download("me/both", "hubmerge.yaml", local_dir=tmp_path / "both")
    heads = [f"{name}@{api.repo_info(name).sha}" for name in parents]
    assert list(read_recipe(recipe).models) == heads
    assert read_report("me/both").weights_sha256
    (job,) = api.list_jobs(namespace="me")
    assert job.status.stage == "COMPLETED"

    again = line.invoke(app, command, catch_exceptions=False)
    assert again.exit_code == 0, again.output
    assert f"published        {hub.url}/me/both" in again.stdout
    assert len([*api.list_jobs(namespace="me")]) == 1
