"""Actions of a worker process, each a call of hubmerge. Requests and answers are JSON."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hubmerge.data.pixels import to_mode
from hubmerge.errors import DataError, HubmergeError, ResourceError, TargetError
from hubmerge.planning.resources import human
from hubmerge.utils.events import Stage, emit
from spaces_app.service import trying

Answer = dict[str, Any]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 25_000_000
"""Most pixels of an image that is open_image."""
NAIVE = "naive"
ARCHIVE = "merge.zip"


def plan(request: Mapping[str, Any]) -> Answer:
    """Plan the merge."""
    from hubmerge.hub.destination import Destination
    from hubmerge.pipeline.plan import plan as make_plan
    from hubmerge.recipe import Recipe

    recipe = Recipe.model_validate(request["recipe"])
    return make_plan(recipe, Destination(out=Path(request["folder"]) / "merge")).model_dump(
        mode="json"
    )


def merge(request: Mapping[str, Any]) -> Answer:
    """Merge, and write the list of models for predictions."""
    from hubmerge.hub.destination import Destination
    from hubmerge.pipeline.run import run
    from hubmerge.recipe import Recipe

    folder, recipe = Path(request["folder"]), Recipe.model_validate(request["recipe"])
    result = run(recipe, Destination(out=folder / "merge"))
    emit(Stage("prepare"))
    _write_contenders(folder, recipe, result.report.method.repair)
    trying.write_samples(folder, recipe)
    return {"seconds": result.report.run.seconds}


def hub_job(request: Mapping[str, Any]) -> Answer:
    """The plan of a job that makes the merge and pushes it, or, with `most_dollars`, the address of
    the job, which is started unless it would cost more.
    """
    from hubmerge.hub.destination import Destination
    from hubmerge.jobs.carry_out import begin, chosen
    from hubmerge.jobs.job_plan import job_plan
    from hubmerge.jobs.request import Asking, run_elsewhere, to_merge
    from hubmerge.jobs.submit import running
    from hubmerge.recipe import Recipe

    recipe, account = Recipe.model_validate(request["recipe"]), str(request["account"])
    agreed = request["most_dollars"]
    asked = to_merge(
        run_elsewhere(recipe, Destination(push=request["push"], private=True)), Asking(account)
    )
    if agreed is not None and (job := running(asked.order, account)) is not None:
        return {"url": job.url}
    work, plan = asked.planned()
    machine = chosen(work, None, account)
    found = job_plan(asked, machine, work, plan)
    if agreed is None:
        return found.model_dump(mode="json")
    if found.most_dollars > agreed:
        raise ResourceError(
            "the job would cost more than was said", hint="look again at what it costs"
        )
    return {"url": begin(asked, machine, work, account).url}


def _write_contenders(folder: Path, recipe: Any, repair: str) -> None:
    from hubmerge.hub.fetch import fetch
    from hubmerge.hub.source import resolve
    from hubmerge.utils.parent_names import parent_letters

    names = [f"Parent {letter}" for letter in parent_letters(len(recipe.models))]
    found = {name: str(fetch(resolve(ref))) for name, ref in zip(names, recipe.models, strict=True)}
    naive = _naive(folder, recipe, repair)
    if naive is not None:
        found["Naive average"] = str(naive)
    found["This merge"] = str(folder / "merge")
    (folder / trying.CONTENDERS).write_text(json.dumps(found), encoding="utf-8")


def _naive(folder: Path, recipe: Any, repair: str) -> Path | None:
    """Folder of the naive average of two parents; None where there is none."""
    import hubmerge as hm
    from hubmerge.reporting.schema.report import Report

    lam = Report.read(folder / "merge").method.lam
    if lam is None or recipe.match == "none" or recipe.align_labels == "index":
        return None
    a, b = (hm.load(ref) for ref in recipe.models)
    data = recipe.dataset.id if recipe.dataset else None
    try:
        return hm.merge(a, b, lam, repair=repair, dataset=data).save_pretrained(folder / NAIVE)
    except HubmergeError:
        return None


def predict(request: Mapping[str, Any]) -> Answer:
    """What every contender says to an image or a text: name -> [[said, probability], ...].

    The probability of a generated text is null.
    """
    given = request.get("text")
    content = open_image(base64.b64decode(request["image"])) if given is None else str(given)
    answer: Answer = {}
    for name, loaded in trying.contenders(Path(request["folder"])):
        if (trying.kind_of(loaded) == "image") != (given is None):
            raise DataError("these models do not take that", hint="an image, or a text, by task")
        answer[name] = trying.ask(loaded, content)
    return answer


def open_image(content: bytes) -> Any:
    """The image in `content`, upright, whatever its name says. Raises: DataError."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as found:
            if found.width * found.height > MAX_PIXELS:
                raise DataError("the image is too large", found=f"{found.width} x {found.height}")
            return to_mode(ImageOps.exif_transpose(found), "RGB")
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise many types
        raise DataError("not an image that can be read", hint=", ".join(FORMATS)) from error


def pack(request: Mapping[str, Any]) -> Answer:
    """The merge as one zip file; the same folder gives the same bytes."""
    folder = Path(request["folder"])
    target = folder / ARCHIVE
    if not target.exists():
        partial = Path(request["work"]) / ARCHIVE  # another worker may write the same archive
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted((folder / "merge").rglob("*")):
                if path.is_file():
                    name = path.relative_to(folder / "merge").as_posix()
                    with archive.open(zipfile.ZipInfo(name), "w") as into:
                        into.write(path.read_bytes())
        partial.rename(target)
    return {"path": str(target)}


def verify(request: Mapping[str, Any]) -> Answer:
    """Verify a public merge of the Hub at a commit, up to a level, within the app's limits."""
    from hubmerge.verification import verify as verify_merge
    from hubmerge.verification.download import list_merge
    from hubmerge.verification.levels import Estimate
    from spaces_app.service.limits import Limits, check_recipe
    from spaces_app.service.verified import Verified, verified_of

    limits = Limits(**request["limits"])
    ref = f"{request['merge']}@{request['sha']}"
    listed = list_merge(ref)
    check_recipe(listed.recipe, limits)
    weights = listed.report.merged.parameters
    if weights > limits.parameters:
        raise ResourceError(f"{weights:,} weights", found=f"at most {limits.parameters:,} here")

    def announced(estimate: Estimate) -> None:
        if estimate.bytes > limits.download:
            raise ResourceError(
                f"{human(estimate.bytes)} to download", found=f"at most {human(limits.download)}"
            )

    found = verify_merge(ref, level=request["level"], announce=announced)
    known = request.get("before")
    before = None if known is None else Verified.model_validate(known)
    said = verified_of(request["merge"], request["sha"], found, listed.report, before)
    return said.model_dump(mode="json")


def publish(request: Mapping[str, Any]) -> Answer:
    """Upload a copy of the merge whose card names its repository."""
    import dataclasses
    import shutil
    import tempfile

    from hubmerge.hub.destination import Destination
    from hubmerge.pipeline.publish import publish_folder

    wanted = request["destination"]
    if not wanted.get("push"):
        raise TargetError("no repository was named", hint="OWNER/NAME")
    folder = Path(request["folder"])
    with tempfile.TemporaryDirectory() as place:
        copy = shutil.copytree(folder / "merge", Path(place) / "merge")
        return dataclasses.asdict(publish_folder(copy, Destination(**wanted)))


ACTIONS: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
    "plan": plan,
    "merge": merge,
    "predict": predict,
    "pack": pack,
    "publish": publish,
    "hub_job": hub_job,
    "verify": verify,
}
