"""Bringing a published merge here: its weights and whatever it says about itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubmerge.data.sentence_modules import module_files
from hubmerge.errors import HubUnavailableError, NotFoundError, RecipeError, WeightsError
from hubmerge.hub.benchmarks import RESULTS
from hubmerge.hub.fetch import download_bytes, fetch_file, file_sizes
from hubmerge.hub.layout import CONFIG, GENERATION, INDEX, PROCESSOR, TEMPLATES, WEIGHTS
from hubmerge.hub.source import Source, parse_ref, resolve
from hubmerge.hub.tokenizer import FILES as TOKENIZER_FILES
from hubmerge.hub.tokenizer import TEMPLATE
from hubmerge.matching.alignment_files import is_alignment
from hubmerge.matching.match_files import SUMMARY, TENSORS
from hubmerge.pipeline.existing import REPORT
from hubmerge.pipeline.report_method import SPEC_FILE
from hubmerge.planning.resources import human
from hubmerge.recipe import RECIPE_FILE, Recipe, recipe_from
from hubmerge.registry import naming_absent
from hubmerge.reporting.pictures import PICTURES
from hubmerge.reporting.schema.plugins import missing_plugins
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import companion_files
from hubmerge.utils.untrusted import Unreadable, read_text
from hubmerge.verification.claims import CARD
from hubmerge.verification.limits import most_bytes, refuse_what_does_not_fit, too_large
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.stock_files import OWN_FOLDERS, is_inert, loaded_weights, what_it_changes

SAYING = {CARD, *PICTURES, REPORT, RECIPE_FILE, SPEC_FILE}
"""What a merge says of itself; nothing is loaded from it."""
LOADING = {
    CONFIG,
    INDEX,
    PROCESSOR,
    "processor_config.json",
    GENERATION,
    TEMPLATE,
    *TOKENIZER_FILES,
}
"""What a merge may have beside its weights; only making it again shows what is right there."""

SHOWN = 5
"""Files that an error names."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A published merge as its repository lists it, and what it says of itself."""

    source: Source
    names: tuple[str, ...]
    """Files that a merge has, relative to its folder, and that are no larger than they have to be.
    """
    weights: tuple[str, ...]
    """Those of them that stock code loads tensors from; none, if it would load another model."""
    sizes: Mapping[str, int]
    """Bytes of every file of the repository."""
    report: Report
    recipe: Recipe
    """As it is written; nothing that it names may be opened."""
    wrong: tuple[Check, ...]
    """What of its files does not hold, whatever is in them."""
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Merge(Listed):
    """A published merge, here."""

    folder: Path
    hashes: Mapping[str, str]
    """File of weights -> sha256."""


def list_merge(ref: str) -> Listed:
    """What the merge `ref` consists of: a Hub id, `id@revision` or a folder.

    Raises: NotFoundError, if it does not exist or is no merge; RecipeError, if its report or recipe
    cannot be read; AccessError, HubUnavailableError.
    """
    source = resolve(ref) if not Path(ref).expanduser().is_dir() else _folder(ref)
    sizes = _all_files(source)
    if missing := [name for name in (REPORT, RECIPE_FILE) if name not in sizes]:
        raise NotFoundError(
            f"{ref} is no merge that can be checked",
            found=f"it holds no {' and no '.join(missing)}",
            hint="name a published merge, or the folder of one",
        )
    report, recipe = _claims(source, sizes)
    weights, wrong = _weights(source, sizes)
    ours = {*weights, *module_files(sizes)}
    ours |= {name for name in sizes if _is_ours(name, recipe)}
    if WEIGHTS in sizes:
        ours.discard(INDEX)  # stock code does not read it then, but other programs do
    large = too_large({name: sizes[name] for name in ours}, {*weights}, report.merged.parameters)
    further = sorted(sizes.keys() - ours)
    inert = [name for name in further if is_inert(name)]
    wrong += [_wrong(name, f"it is not fetched: {why}") for name, why in large.items()]
    wrong += [_wrong(name, what_it_changes(name)) for name in further if name not in inert]
    return Listed(
        source=source,
        names=tuple(sorted(ours - large.keys())),
        weights=() if large.keys() & {*weights} else tuple(weights),
        sizes=sizes,
        report=report,
        recipe=recipe,
        wrong=tuple(wrong),
        remarks=(f"nothing is loaded from: {', '.join(inert)}",) if inert else (),
    )


def fetch_merge(listed: Listed) -> Merge:
    """Brings a merge here. Raises: ResourceError, if it does not fit; HubUnavailableError, that
    says what came and what remains.
    """
    source = listed.source
    if source.folder is None:
        refuse_what_does_not_fit(download_bytes(source, list(listed.names)))
    paths: dict[str, Path] = {}
    for name in listed.names:
        try:
            paths[name] = fetch_file(source, name)
        except HubUnavailableError as error:
            raise _incomplete(listed, list(paths), error) from error
    hashes = {}
    for name in listed.weights:
        with paths[name].open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    folder = source.folder or paths[REPORT].parent
    return Merge(**vars(listed), folder=folder, hashes=hashes)


def _incomplete(
    listed: Listed, fetched: Collection[str], error: HubUnavailableError
) -> HubUnavailableError:
    """The same error, with what came and what remains of the files of a merge."""
    remaining = [name for name in listed.names if name not in fetched]

    def amount(names: Collection[str]) -> str:
        return f"{len(names)} files, {human(sum(listed.sizes[name] for name in names))}"

    shown = ", ".join(remaining[:SHOWN]) + (", ..." if len(remaining) > SHOWN else "")
    return HubUnavailableError(
        error.what,
        found="\n".join(
            filter(
                None,
                [
                    error.found,
                    f"fetched: {amount(fetched)}",
                    f"remaining: {amount(remaining)}: {shown}",
                ],
            )
        ),
        source=error.source,
        hint=error.hint,
    )


def _folder(ref: str) -> Source:
    """A folder that was named, be it a model that can be loaded or not."""
    try:
        return resolve(ref)
    except WeightsError:
        parsed = parse_ref(ref)
        assert parsed.folder is not None
        listed = "".join(f"{name}\0{size}\0" for name, size in _files_in(parsed.folder).items())
        return Source(
            **vars(parsed), sha=f"local-{hashlib.sha256(listed.encode()).hexdigest()[:40]}"
        )


def _all_files(source: Source) -> dict[str, int]:
    """File -> bytes, hidden ones too but for those of git and of the Hub's client."""
    if source.folder is not None:
        return _files_in(source.folder)
    return {n: s for n, s in file_sizes(source).items() if not n.startswith(OWN_FOLDERS)}


def _files_in(folder: Path) -> dict[str, int]:
    found = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {name: size for name, size in found.items() if not name.startswith(OWN_FOLDERS)}


def _claims(source: Source, sizes: Mapping[str, int]) -> tuple[Report, Recipe]:
    """Report and recipe, the latter as it is written. Raises: RecipeError."""
    for name in (REPORT, RECIPE_FILE):
        if sizes[name] > most_bytes(name):
            raise RecipeError(
                f"{name} of {source.ref} is no file of a merge",
                found=f"{sizes[name]:,} bytes; none has more than {most_bytes(name):,}",
            )
    report = Report.read(fetch_file(source, REPORT).parent)
    try:
        text = read_text(fetch_file(source, RECIPE_FILE), most_bytes(RECIPE_FILE))
    except Unreadable as error:
        raise RecipeError(
            f"{RECIPE_FILE} of {source.ref} cannot be read", found=str(error)
        ) from error
    absent = missing_plugins(report.method.plugins or ())
    with naming_absent((each.kind, each.name) for each in absent):
        return report, recipe_from(text, RECIPE_FILE)


def _weights(source: Source, sizes: Mapping[str, int]) -> tuple[list[str], list[Check]]:
    """The files of weights that stock code loads; or why it loads none of them."""

    def read(name: str) -> str:
        if sizes[name] > most_bytes(name):
            raise WeightsError(f"{name} has {sizes[name]:,} bytes, which no such file has")
        return fetch_file(source, name).read_text("utf-8", "replace")

    try:
        if CONFIG not in sizes:
            raise WeightsError(f"it has no {CONFIG}")
        return loaded_weights(sizes, _json(read(CONFIG)), read), []
    except WeightsError as error:
        found = f": {error.found}" if error.found else ""
        return [], [_wrong("what stock code loads", f"{error.what}{found}")]
    except RecursionError:
        return [], [_wrong("what stock code loads", f"{INDEX} is too deep to be read")]


def _json(text: str) -> Any:
    """Raises: WeightsError, if it is none, or deeper than anything reads."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{CONFIG} cannot be read", found=str(error)[:200]) from error


def _wrong(what: str, why: str) -> Check:
    return Check(part="files", what=what, outcome=Outcome.DOES_NOT_HOLD, why=why)


def _is_ours(name: str, recipe: Recipe) -> bool:
    """Whether a merge may have such a file, beside its weights."""
    folder, slash, file = name.rpartition("/")
    alignment = file in (SUMMARY, TENSORS) and is_alignment(folder + slash + TENSORS)
    code = recipe.trust_remote_code and file.endswith(".py")
    template = folder == TEMPLATES and file.endswith(".jinja")
    beside = name in LOADING or name in companion_files() or template
    return name in SAYING or beside or alignment or code or is_result(name)


def is_result(name: str) -> bool:
    """Whether a file tells the Hub of results in benchmarks."""
    return name.startswith(f"{RESULTS}/") and name.endswith(".yaml")
