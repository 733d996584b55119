"""Variables of a Space, by the unmodified client: kept for who may write to it, and no other."""

from __future__ import annotations

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from hubmerge.localhub import EmbeddedHub, limits


@pytest.fixture
def space(api: HfApi, request: pytest.FixtureRequest) -> str:
    name = f"me/{request.node.name[:60].strip('_')}"
    return api.create_repo(name, repo_type="space", space_sdk="gradio").repo_id


def status(refused: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return refused.value.response.status_code


def test_a_variable_is_added_changed_told_and_deleted(api: HfApi, space: str) -> None:
    assert api.get_space_variables(space) == {}
    api.add_space_variable(space, "HEAVY", "1", description="merges at once")
    api.add_space_variable(space, "ROOT", "")
    told = api.add_space_variable(space, "HEAVY", "2")
    assert {name: each.value for name, each in told.items()} == {"HEAVY": "2", "ROOT": ""}
    found = api.get_space_variables(space)["HEAVY"]
    assert (found.value, found.description) == ("2", None)
    assert found.updated_at is not None
    assert set(api.delete_space_variable(space, "HEAVY")) == {"ROOT"}
    with pytest.raises(HfHubHTTPError) as refused:
        api.delete_space_variable(space, "HEAVY")
    assert status(refused) == 404


def test_none_but_who_may_write_to_a_space_sees_its_variables(
    hub: EmbeddedHub, api: HfApi, space: str
) -> None:
    api.add_space_variable(space, "HEAVY", "1")
    guest = HfApi(hub.url, token=hub.add_user("guest"))
    for act in (
        lambda: guest.get_space_variables(space),
        lambda: guest.add_space_variable(space, "HEAVY", "2"),
        lambda: guest.delete_space_variable(space, "HEAVY"),
    ):
        with pytest.raises(HfHubHTTPError) as refused:
            act()
        assert status(refused) == 403
    with pytest.raises(RepositoryNotFoundError):
        HfApi(hub.url, token=False).get_space_variables(space)
    assert api.get_space_variables(space)["HEAVY"].value == "1"
    own = guest.create_repo("guest/space", repo_type="space", space_sdk="gradio").repo_id
    assert guest.add_space_variable(own, "HEAVY", "3")["HEAVY"].value == "3"


@pytest.mark.parametrize("key", ["", "A-B", "1A", "Ä", "A\n", "A" * 101, 1, None])
def test_what_is_no_name_of_a_variable_is_refused(
    hub: EmbeddedHub, http: httpx.Client, api: HfApi, key: object
) -> None:
    api.create_repo("me/names", repo_type="space", space_sdk="gradio", exist_ok=True)
    signed = {"Authorization": f"Bearer {hub.token}"}
    asked = {"key": key, "value": "1"}
    answer = http.post("/api/spaces/me/names/variables", json=asked, headers=signed)
    assert answer.status_code == 400
    assert api.get_space_variables("me/names") == {}


def test_a_space_has_so_many_variables_of_such_a_length_and_a_model_none(
    hub: EmbeddedHub,
    http: httpx.Client,
    api: HfApi,
    space: str,
    repo: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "VARIABLES", 3)
    with pytest.raises(HfHubHTTPError) as refused:
        api.add_space_variable(space, "LONG", "x" * (limits.VARIABLE + 1))
    assert status(refused) == 400
    for number in range(limits.VARIABLES):
        api.add_space_variable(space, f"V{number}", "x")
    with pytest.raises(HfHubHTTPError) as refused:
        api.add_space_variable(space, "ONE_MORE", "x")
    assert status(refused) == 413
    assert api.add_space_variable(space, "V0", "y")["V0"].value == "y"
    signed = {"Authorization": f"Bearer {hub.token}"}
    assert http.get(f"/api/models/{repo}/variables", headers=signed).status_code == 404
