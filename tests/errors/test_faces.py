"""Every error class as Python, the command line and the page word it."""

from __future__ import annotations

import ast
import errno
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import httpx
import pytest
import torch
from datasets import Features, Value
from huggingface_hub import JobInfo
from huggingface_hub.errors import HfHubHTTPError

import hubmerge
from hubmerge import errors
from hubmerge.cli import print_error
from hubmerge.cli.options import all_options
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.data.columns import find_label
from hubmerge.errors import HubmergeError, exit_codes
from hubmerge.errors.wording import PYTHON, YAML, Action, add, leave_out, option, render
from hubmerge.hub.client import acting_for, translate
from hubmerge.hub.compare import label_permutation
from hubmerge.hub.config_limits import refuse_code
from hubmerge.hub.target import check_folder, check_push_options
from hubmerge.hub.weight_checks import refuse_non_finite
from hubmerge.jobs.follow import without_outcome
from hubmerge.pipeline.apply_matches import Probe, refuse_changed
from hubmerge.pipeline.methods import checked_methods
from hubmerge.recipe import Recipe, read_recipe
from hubmerge.specs.family import load_families
from hubmerge.specs.notation import parse
from hubmerge.symmetry.canonical import _divided
from spaces_app.service.job import Refusal
from spaces_app.ui import markup
from spaces_app.ui.wording import PAGE
from tests.helpers.tiny import fresh

MODELS = ("org/a", "org/b")
FLAG = re.compile(r"(?<![\w-])--(?!git a/)[a-z]")
"""An option of the command line, and not what begins a difference of git's."""
ASSIGNED = re.compile(r"\b(" + "|".join(Recipe.model_fields) + r")=")
MARK = re.compile("[\x02\x03]")
ROOT = Path(__file__).resolve().parents[2]


def repair_without_data(tmp: Path) -> None:
    checked_methods(Recipe(models=MODELS, repair="repair"))


def moved_outputs(tmp: Path) -> None:
    model = fresh("mlp_head-none")
    state = model.state_dict()
    refuse_changed(
        Probe(model), state, {name: value + 1 for name, value in state.items()}, "aligning"
    )


def not_finite(tmp: Path) -> None:
    model = fresh("mlp_head-none")
    next(iter(model.parameters())).data.fill_(float("nan"))
    refuse_non_finite(model, "org/a")


def no_canonical_form(tmp: Path) -> None:
    _divided(SimpleNamespace(module="norm"), torch.ones(3), torch.tensor([1.0, 0.0, 1.0]))  # type: ignore[arg-type]


def push_without_token(tmp: Path) -> None:
    with acting_for(None):
        check_push_options("org/c", create_pr=False, revision=None)


def on_the_hub(error: Callable[[], Exception]) -> Callable[[Path], None]:
    def ask(tmp: Path) -> None:
        with translate("org/a"):
            raise error()

    return ask


def status(code: int) -> Exception:
    request = httpx.Request("POST", "http://hub.example/api")
    return HfHubHTTPError("refused", response=httpx.Response(code, request=request))


def taken(tmp: Path) -> None:
    (tmp / "file").touch()
    check_folder(tmp)


def constructed(name: str, **fields: str) -> Callable[[Path], None]:
    def refuse(tmp: Path) -> None:
        raise getattr(errors, name)("it is not as it was", **fields)

    return refuse


def ended(stage: str, message: str) -> Callable[[Path], None]:
    """A job of the Hub that left nothing."""

    def refuse(tmp: Path) -> None:
        owner = {"id": "me", "name": "me", "type": "user"}
        status = {"stage": stage, "message": message}
        raise without_outcome(JobInfo(id="0", owner=owner, status=status), ["a line"], None)

    return refuse


SITUATIONS: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "RecipeError": (
        repair_without_data,
        'repair="repair" needs calibration data',
        "--repair repair needs calibration data",
        "Repair “repair” needs calibration data",
    ),
    "SpecError": (lambda tmp: parse("( a") and None, "( a", "( a", "( a"),
    "FamilyError": (
        lambda tmp: load_families().for_config(SimpleNamespace(model_type="x")) and None,
        'match="none" needs no spec',
        "--match none needs no spec",
        "Matching “none” needs no spec",
    ),
    "DerivationError": (constructed("DerivationError"), *["it is not as it was"] * 3),
    "LawError": (
        moved_outputs,
        'symmetry="permutations"',
        "--symmetry permutations",
        "Symmetries “reordering only”",
    ),
    "MismatchError": (constructed("MismatchError"), *["it is not as it was"] * 3),
    "LabelError": (
        lambda tmp: label_permutation({0: "LABEL_0"}, {0: "LABEL_0"}) and None,
        'align_labels="index"',
        "--align-labels index",
        "Classes “by number”",
    ),
    "WeightsError": (not_finite, *["org/a"] * 3),
    "RemoteCodeError": (
        lambda tmp: refuse_code(
            {"auto_map": {"AutoConfig": "code.Config"}}, "config.json", "org/a", False
        ),
        "trust_remote_code=True",
        "--trust-remote-code",
        "`trust_remote_code: True` in a recipe",
    ),
    "CanonicalError": (
        no_canonical_form,
        'symmetry="permutations"',
        "--symmetry permutations",
        "Symmetries “reordering only”",
    ),
    "NotFoundError": (lambda tmp: read_recipe(tmp / "no.yaml") and None, *["no.yaml"] * 3),
    "AccessError": (
        push_without_token,
        "huggingface_hub.login()",
        "`hf auth login`",
        "sign in on this page",
    ),
    "HubUnavailableError": (
        on_the_hub(lambda: status(503)),
        "call it again later",
        "run the same command again later",
        "start it again later",
    ),
    "JobError": (ended("ERROR", "exit code: 7"), *["the job failed"] * 3),
    "JobTimeoutError": (ended("ERROR", "Job timeout"), *["its time limit"] * 3),
    "UnconfirmedError": (
        constructed("UnconfirmedError", hint=option("yes", True), field="yes"),
        "yes=True",
        "--yes",
        "`yes: True`",
    ),
    "DataError": (
        lambda tmp: find_label(Features({"x": Value("float32")}), None, "org/d") and None,
        "dataset.label_column=",
        "--label-column",
        "`dataset.label_column` in a recipe",
    ),
    "TargetError": (taken, *["exists already"] * 3),
    "ResourceError": (
        on_the_hub(lambda: OSError(errno.ENOSPC, "full")),
        *["the disk is full"] * 3,
    ),
    "RoundTripError": (constructed("RoundTripError"), *["it is not as it was"] * 3),
    "ConflictError": (on_the_hub(lambda: status(412)), *["changed while"] * 3),
    "VerificationError": (
        constructed("VerificationError", hint=option("exist_ok", True), field="exist_ok"),
        "exist_ok=True",
        "--exist-ok",
        "“a commit to one of mine that exists”",
    ),
    "UncheckedError": (
        constructed("UncheckedError", hint=f"{add('dataset')}; {leave_out('base')}"),
        "add dataset=; leave out base=",
        "add --dataset; leave out --base",
        "fill in “Data set”; leave “Common base” empty",
    ),
}


def raised(situation: Callable[[Path], None], place: Path) -> HubmergeError:
    with pytest.raises(HubmergeError) as refused:
        situation(place)
    return refused.value


def test_every_class_has_a_situation() -> None:
    assert set(SITUATIONS) == set(exit_codes())
    codes = [code for code, _ in exit_codes().values()]
    assert len(set(codes)) == len(codes)
    assert all(2 < code < 46 for code in codes)


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_face_words_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    situation, python, command_line, page = SITUATIONS[name]
    error = raised(situation, tmp_path)
    assert type(error).__name__ == name
    assert error.exit_code == exit_codes()[name][0]

    said = str(error)
    assert python in said
    assert not FLAG.search(said)

    print_error(error, json=True)
    printed = capsys.readouterr()
    assert printed.err.startswith(f"{name}: ")
    assert command_line in printed.err
    fields = json.loads(printed.out)["error"]
    assert list(fields) == ["type", "exit_code", "field", "fields", "what", "found", "from", "try"]
    assert (fields["type"], fields["exit_code"], fields["field"]) == (
        name,
        error.exit_code,
        error.field,
    )
    assert not ASSIGNED.search(printed.err)

    refusal = Refusal.model_validate(json.loads(json.dumps(Refusal.of(error).model_dump())))
    assert refusal.field == error.field
    shown = str(markup.refusal(refusal))
    assert page in shown or markup.sentence(page) in shown
    assert not FLAG.search(shown)
    assert not ASSIGNED.search(shown)

    assert not any(map(MARK.search, (said, error.what, repr(error), printed.err, shown)))


@pytest.mark.parametrize("name", SITUATIONS)
def test_it_crosses_processes_whole(name: str, tmp_path: Path) -> None:
    error = raised(SITUATIONS[name][0], tmp_path)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert again.message == error.message


@pytest.mark.parametrize("wording", [PYTHON, YAML, COMMAND_LINE, PAGE])
def test_every_face_words_every_action(wording) -> None:
    assert set(wording.actions) == set(get_args(Action))


def test_a_quoted_text_that_looks_like_a_mention_is_left_alone() -> None:
    for text in ("\x02nothing\x03", '\x02["action", "unknown", ["x"]]\x03', "\x02[]\x03"):
        assert render(text, PYTHON) == text


def sources() -> list[Path]:
    return [*(ROOT / "hubmerge").rglob("*.py"), *(ROOT / "spaces_app").rglob("*.py")]


def test_every_mention_names_an_option_there_is() -> None:
    known = {each.field for each in all_options().values()} | {"dataset", "port", "quick"}
    found = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in ("option", "mention", "add", "leave_out"):
                continue
            named = node.args if node.func.id == "leave_out" else node.args[:1]
            found |= {
                arg.value
                for arg in named
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            }
    unknown = {name for name in found - known if not name.startswith("fuse_options.")}
    assert len(found) > 20
    assert not unknown


def test_flags_are_named_by_the_command_line_alone() -> None:
    """But for declarations of options, and the demo, which runs commands."""
    others = ("cli", "demo")
    for path in sources():
        if path.relative_to(ROOT).parts[1] in others:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        comments = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        comments |= {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword) and node.arg == "flags"
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert id(node) in comments or not FLAG.search(node.value), (path, node.lineno)


MODULE = torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("call", "quoted"),
    [
        (lambda: hubmerge.match(MODULE, MODULE), "inputs=x"),
        (lambda: hubmerge.merge(MODULE, MODULE), "hubmerge.load("),
        (lambda: hubmerge.Recipe(fues="ties"), "did you mean fuse=?"),
        (lambda: hubmerge.Recipe(models="x"), 'models="x"'),
        (lambda: hubmerge.Recipe(models=MODELS, fuse="tied"), "did you mean 'ties'?"),
        (lambda: hubmerge.Recipe(models=(MODULE, MODULE)), "not of type Linear"),
        (lambda: hubmerge.Recipe(models=MODELS, dataset=3), "dataset=3"),
        (lambda: hubmerge.Recipe(models=MODELS, text_column="x"), "dataset.text_column="),
        (lambda: hubmerge.Recipe(*MODELS), "by name"),
        (lambda: hubmerge.DataRecipe("org/d"), "by name"),
        (lambda: hubmerge.DataRecipe(id=3), "id=3"),
        (lambda: hubmerge.DataRecipe(), "id= is required"),
        (lambda: hubmerge.DataRecipe(id="org/d", splitt="test"), "did you mean split=?"),
        (lambda: setattr(hubmerge.Recipe(models=MODELS), "fuse", "ties"), ".replace(fuse=...)"),
        (lambda: delattr(hubmerge.Recipe(models=MODELS), "fuse"), "cannot be changed"),
        (lambda: hubmerge.Recipe(models=MODELS).replace(fues="ties"), "did you mean fuse=?"),
        (lambda: hubmerge.Destination(pusch="x"), "did you mean 'push'?"),
        (lambda: hubmerge.run("x"), "hubmerge.Recipe("),
        (lambda: hubmerge.verify(3), "3, an int"),
        (lambda: hubmerge.load(3), "3, an int"),
        (lambda: hubmerge.load(), "missing"),
        (lambda: hubmerge.read_recipe(3), "3, an int"),
    ],
)
def test_a_wrong_call_is_refused_in_hubmerge_s_own_words(call, quoted: str) -> None:
    with pytest.raises(errors.RecipeError) as refused:
        call()
    assert quoted in str(refused.value)
    assert "pydantic" not in str(refused.value)


def test_an_unknown_name_of_the_package_is_answered_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="did you mean 'match'"):
        hubmerge.__getattr__("mtach")
