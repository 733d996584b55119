"""Two processes give the bits one gives, and an error on either reaches both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubmerge.utils.workers import Workers
from tests.helpers.command_line import CommandLine
from tests.helpers.processes import METHODS, failures, results

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two(hubmerge: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("two")
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"from pathlib import Path; from tests.helpers.processes import main; "
        f"main(Path({str(folder)!r}))"
    )
    hubmerge(code=program, processes=2).succeeded()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_there_were_two(two):
    assert [each["processes"] for each in two] == [2, 2]
    assert [each["main"] for each in two] == ["heard of main"] * 2


def test_two_processes_find_what_one_finds_to_the_bit(two):
    alone = results(Workers(threads=1))
    for each in two:
        assert each["results"] == alone
    assert alone["order"] == [0, 1, 4, 9, 16, 25, 36]


def test_work_that_is_shared_out_finds_what_is_found_alone(two):
    found = two[0]["results"]
    for name in METHODS:
        assert found[f"{name} weights, shared"] == found[f"{name} weights"]


def test_an_error_on_either_process_reaches_both(two):
    assert two[0]["failures"] == two[1]["failures"]
    heard = two[0]["failures"]
    for case, job in (("first", 0), ("second", 1), ("sum", 3), ("main", 0)):
        assert heard[case].startswith(f"SpecError: job {job} failed")
        assert "this reaches everyone" in heard[case]
    assert heard["unportable"] == "RuntimeError: Unportable: gone"
    assert heard["after"] == "nothing"


def test_one_process_raises_the_error_itself(two):
    alone = failures(Workers(threads=1))
    assert alone["unportable"] == "Unportable: gone"
    assert {**alone, "unportable": ""} == {**two[0]["failures"], "unportable": ""}
