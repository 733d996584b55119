"""Putting the app up as a Space: its folder, this very version's wheel, variables and hardware."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from huggingface_hub import HfApi

from hubmerge.errors import RecipeError, TargetError
from hubmerge.hub.client import client, translate
from hubmerge.hub.source import parse_repo_id
from hubmerge.jobs.wheel import write_wheel
from spaces_app.service.limits import PREFIX, Limits

FILES = ("app.py", "README.md")
REQUIREMENTS = "requirements.txt"
MARK = "hubmerge"
"""What the requirements of a Space that was put up by this command name."""
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def deploy(
    repo: str,
    *,
    private: bool = True,
    hardware: str | None = None,
    given: Mapping[str, str] | None = None,
) -> str:
    """Create or update the Space `repo`, and return its address.

    The first build has the variables and the hardware already, since the files come last, in one
    commit. A Space that exists keeps its visibility; one that holds something else is left alone.

    Parameters:
        private: whether a new Space is.
        hardware: a flavor of the Hub; None leaves what it has.
        given: variables of the Space.

    Raises: RecipeError, TargetError, AccessError, HubUnavailableError.
    """
    repo = parse_repo_id(repo)
    api = client()
    with translate(repo, "space"), tempfile.TemporaryDirectory() as place:
        folder = write_folder(Path(place))
        _refuse_other(api, repo)
        made = api.create_repo(
            repo, repo_type="space", space_sdk="gradio", private=private, exist_ok=True
        )
        for name, value in (given or {}).items():
            api.add_space_variable(repo, name, value)
        if hardware is not None:
            api.request_space_hardware(repo, hardware)  # type: ignore[arg-type]  # its own words
        api.upload_folder(
            repo_id=repo, repo_type="space", folder_path=folder, commit_message="Put up hubmerge"
        )
    return str(made)


def write_folder(folder: Path) -> Path:
    """Write the folder of the Space into `folder`, with the wheel that its requirements name."""
    own = Path(__file__).parent
    for name in FILES:
        shutil.copyfile(own / name, folder / name)
    wheel = write_wheel(folder)
    (folder / REQUIREMENTS).write_text(f"hubmerge[app,mcp] @ ./{wheel.name}\n", encoding="utf-8")
    return folder


def variables(typed: Iterable[str]) -> dict[str, str]:
    """Name -> value, of NAME=VALUE. Raises: RecipeError, also for a limit there is not."""
    found = {}
    for each in typed:
        name, equals, value = each.partition("=")
        if not (equals and VARIABLE.fullmatch(name)):
            raise RecipeError(f"{each!r} is no variable", hint=f"NAME=VALUE, as {PREFIX}HEAVY=2")
        limit = name.removeprefix(PREFIX).lower()
        if name.startswith(PREFIX) and limit not in (*Limits.model_fields, "root"):
            raise RecipeError(f"there is no limit {name}", hint="docs/space.md lists them")
        found[name] = value
    return found


def _refuse_other(api: HfApi, repo: str) -> None:
    """Raises: TargetError, if the Space exists and was not put up from here."""
    if not api.repo_exists(repo, repo_type="space"):
        return
    files = set(api.list_repo_files(repo, repo_type="space")) - {".gitattributes", "README.md"}
    if files and not any(name.startswith(f"{MARK}-") for name in files):
        raise TargetError(
            f"the Space {repo} holds something else",
            found=", ".join(sorted(files)[:5]),
            hint="another name",
        )
