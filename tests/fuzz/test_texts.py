"""Cards, recipes, reports and the Hub's answers, as strangers write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from hubmerge.errors import HubmergeError
from hubmerge.errors.wording import PYTHON, render
from hubmerge.hub.card import parent_licence
from hubmerge.hub.source import parse_ref
from hubmerge.localhub import cards
from hubmerge.localhub.markdown import render as laid_out
from hubmerge.recipe import read_recipe
from hubmerge.reporting.escape import markdown
from hubmerge.reporting.schema.report import Report
from hubmerge.verification.claims import check_card, check_verdict
from spaces_app.service.gallery import gallery_entry
from spaces_app.service.limits import Limits, check_recipe
from spaces_app.ui import gallery_view
from spaces_app.ui.recipe_text import from_yaml
from tests.helpers.example_report import example
from tests.helpers.fuzzing import AMOUNTS, changed, texts, try_out, values

METADATA = {
    "license": "mit",
    "tags": ["hubmerge"],
    "base_model": ["a/b", "c/d"],
    "datasets": ["a/b"],
    "model-index": [{"name": "a", "results": []}],
    "library_name": "transformers",
    "pipeline_tag": "image-classification",
}
RECIPE = {"models": ["a/b", "c/d"], "match": "weights", "lambda": 0.5, "dataset": {"id": "a/b"}}
FIELDS = ["base", "weights", "seed", "samples", "fuse", "fuse_options", "keep", "only", "alignment"]
YAML = [
    "&a [*a]",
    "[" * 5000,
    "{a: " * 3000,
    "!!int ''",
    "!!timestamp x",
    "0x" + "f" * 9000,
    ":".join(["59"] * 3000),
    "? [a]\n: b",
    "!!python/object/apply:os.system [x]",
    '"\\ud800"',
    "2020-99-99",
    "a, " * 60_000,
]


def as_yaml(content: Any) -> str:
    return (
        yaml.safe_dump(content, allow_unicode=True) if _is_clean(content) else json.dumps(content)
    )


def _is_clean(content: Any) -> bool:
    try:
        yaml.safe_dump(content, allow_unicode=True).encode()
    except (yaml.YAMLError, ValueError):
        return False
    return True


written = st.sampled_from(YAML) | st.sampled_from(YAML).map(lambda said: f"x: {said}")


@AMOUNTS
def test_cards(tmp_path: Path, amount: int) -> None:
    report = example()

    def check(example_: tuple[str, str]) -> None:
        head, body = example_
        card = f"---\n{head}\n---\n{body}".encode(errors="replace").decode()
        json.dumps(cards.metadata(card), allow_nan=False).encode()
        cards.problems(card)
        str(laid_out(card[:5000], "/f/"))
        entry = gallery_entry({"id": "a/b", "cardData": dict(cards.metadata(card))})
        str(gallery_view.render([entry])).encode()
        check_card(card, report)

    bodies = st.text(alphabet="<!-[](){}*_`|~&;:#> \n\ta1\\\"'=/", max_size=300) | texts
    heads = changed(METADATA, ["self", "language"]).map(as_yaml) | written | texts
    try_out(check, st.tuples(heads, bodies), amount)


@AMOUNTS
def test_cards_of_parents(tmp_path: Path, amount: int) -> None:
    from hubmerge.hub.source import Source

    def check(head: str) -> None:
        text = f"---\n{head}\n---\n"
        (tmp_path / "README.md").write_bytes(text.encode(errors="surrogatepass"))
        source = Source(
            ref=str(tmp_path), id="a", kind="local", revision=None, folder=tmp_path, sha="local-0"
        )
        parent_licence(source)

    try_out(check, changed(METADATA, ["license_name"]).map(as_yaml) | written | texts, amount)


@AMOUNTS
def test_recipes(tmp_path: Path, amount: int) -> None:
    path = tmp_path / "hubmerge.yaml"

    def check(text: str) -> None:
        path.write_bytes(text.encode(errors="surrogatepass"))
        for read in (lambda: check_recipe(from_yaml(text), Limits()), lambda: read_recipe(path)):
            try:
                read()
            except HubmergeError as refused:
                str(refused).encode()

    try_out(check, changed(RECIPE, FIELDS).map(as_yaml) | written | texts, amount)


@AMOUNTS
def test_reports(tmp_path: Path, amount: int) -> None:
    fields = json.loads(example().model_dump_json())
    path = tmp_path / "report.json"
    below = st.sampled_from([name for name in fields if isinstance(fields[name], dict)])
    deep = below.flatmap(
        lambda name: changed(fields[name], []).map(lambda changes: {**fields, name: changes})
    )

    def check(content: Any) -> None:
        path.write_text(json.dumps(content))
        report = Report.read(tmp_path)
        check_verdict(report)
        check_card("---\na: 1\n---\n# x", report)
        str(markdown(report.verdict_sentence))

    try_out(check, changed(fields, []) | deep | values, amount)


@AMOUNTS
def test_bytes_for_reports(tmp_path: Path, amount: int) -> None:
    whole = example().model_dump_json().encode()
    place = st.integers(0, len(whole))

    def check(example_: tuple[int, bytes, int]) -> None:
        start, inserted, end = example_
        (tmp_path / "report.json").write_bytes(whole[:start] + inserted + whole[end:])
        Report.read(tmp_path)

    some = st.binary(max_size=40) | st.sampled_from([b"[" * 100_000, b"9" * 6000])
    try_out(check, st.tuples(place, some, place), amount)


@AMOUNTS
def test_references(amount: int) -> None:
    def check(ref: str) -> None:
        assert parse_ref(ref).kind in ("hub", "local")

    marks = st.text(alphabet="ab/.~@:-_%\\ \u00e9", max_size=20)
    try_out(check, texts | marks | marks.map(lambda text: f"a/b@{text}"), amount)


@AMOUNTS
def test_texts_quoted_in_errors(amount: int) -> None:
    def check(text: str) -> None:
        render(text, PYTHON)
        render(text * 2000, PYTHON)

    marks = st.text(alphabet='\x02\x03[]",optionadd{}0 ', max_size=60)
    try_out(check, marks | texts, amount)


@pytest.mark.parametrize("text", ["<!--", "\x02", "---\n", "- ", "a: ", "[", "`", "*a **a "])
def test_time_grows_with_length_and_not_with_its_square(text: str) -> None:
    """What reads strangers' texts in this process takes little processor time for 100,000 marks."""
    import time

    long = text * (100_000 // len(text))
    begun = time.process_time()
    cards.split(f"---\n{long}\n")
    cards.split(long)
    render(long, PYTHON)
    markdown(long)
    assert time.process_time() - begun < 10  # their square takes minutes
