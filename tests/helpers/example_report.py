"""A plausible report whose numbers are all made up."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hubmerge.evaluation.results import Barrier, Comparison, Curve, CurvePoint, Score
from hubmerge.reporting.refined import remark
from hubmerge.reporting.schema.contenders import Contenders
from hubmerge.reporting.schema.heads import HeadsRecord, Known
from hubmerge.reporting.schema.merged import MergedRecord
from hubmerge.reporting.schema.method import MethodRecord, SpaceRecord
from hubmerge.reporting.schema.parents import ParentRecord
from hubmerge.reporting.schema.report import (
    Barriers,
    DataRecord,
    Licence,
    Report,
    RowSetRecord,
    RunRecord,
)
from hubmerge.reporting.schema.survey_results import (
    PathSeen,
    PlanePoint,
    PlaneSeen,
    SimplexMeasured,
    SimplexPoint,
    SimplexSeen,
)
from hubmerge.reporting.schema.surveys import Surveys
from hubmerge.reporting.verdict import judge


def example(**changes: Any) -> Report:
    """A merge of two small ResNets that came out as good as its parents, with `changes`."""
    scores = contenders()
    compared = [comparison("parent_a"), comparison("parent_b")]
    verdict = judge(scores, compared)
    fields: dict[str, Any] = {
        "verdict": verdict.name,
        "verdict_sentence": verdict.sentence,
        "n": 1000,
        "models": [parent("org/left", "a"), parent("org/right", "b")],
        "merged": MergedRecord(
            model_type="resnet",
            architecture="ResNetForImageClassification",
            task="image-classification",
            auto_class="AutoModelForImageClassification",
            auto_processor="AutoImageProcessor",
            pipeline_tag="image-classification",
            dtype="float32",
            parameters=123456,
            labels=["cat", "dog"],
        ),
        "contenders": scores,
        "comparisons": compared,
        "barrier": Barriers.of(naive=curve(2.0), matched=curve(0.05)),
        "method": MethodRecord(
            family="resnet",
            match="activations",
            fuse="average",
            repair="batch-norm",
            lam=0.5,
            lam_chosen="given",
            seed=0,
            outcome="converged",
            spaces=[
                SpaceRecord(
                    space=f"stages.{i}.x",
                    kind="permute",
                    size=16,
                    gain=1.5 * i,
                    correlation=0.75,
                    moved=15,
                )
                for i in range(3)
            ],
            unrepaired=None,
        ),
        "data": data(),
        "limits": ["Measured on one data set."],
        "licence": Licence(
            license="apache-2.0",
            private_by_default=False,
            public_needs_override=False,
            reason="every parent is apache-2.0",
        ),
        "weights_sha256": {"model.safetensors": "c" * 64},
        "run": RunRecord(
            date="2001-02-03T04:05:06Z",
            seconds={"matching": 1.25, "measuring": 61.5},
            versions={"hubmerge": "0.0.0", "torch": "0.0.0"},
            processes=1,
            threads_per_process=2,
            intra_op_threads=1,
            arithmetic=1,
            device="cpu",
        ),
    }
    return Report(**{**fields, **changes})


def unmeasured(**changes: Any) -> Report:
    """The same merge without a data set."""
    verdict = judge(Contenders(), [])
    fields: dict[str, Any] = {
        "verdict": verdict.name,
        "verdict_sentence": verdict.sentence,
        "n": 0,
        "contenders": Contenders(),
        "comparisons": [],
        "barrier": Barriers(),
        "data": None,
    }
    return example(**{**fields, **changes})


def parent(id: str, digit: str, **changes: Any) -> ParentRecord:
    fields: dict[str, Any] = {
        "id": id,
        "sha": digit * 40,
        "revision": None,
        "kind": "hub",
        "license": "apache-2.0",
        "dtype": "float32",
        "parameters": 123456,
    }
    return ParentRecord(**{**fields, **changes})


def data(**changes: Any) -> DataRecord:
    fields: dict[str, Any] = {
        "id": "org/pictures",
        "sha": "d" * 40,
        "revision": None,
        "kind": "hub",
        "config": None,
        "unit": "images",
        "columns": {"input": "image", "label": "label"},
        "calibration": RowSetRecord(split="train", rows=512, available=5000, fingerprint="1" * 16),
        "validation": RowSetRecord(split="test", rows=200, available=200, fingerprint="2" * 16),
        "evaluation": RowSetRecord(split="test", rows=1000, available=1800, fingerprint="3" * 16),
        "notes": [],
    }
    return DataRecord(**{**fields, **changes})


def contenders(**further: tuple[float, float]) -> Contenders:
    """Parents .895 and .890, naive .200, merge .893, ensemble .910; and `further` parents."""
    figures = {
        "parent_a": (0.895, 0.52),
        "parent_b": (0.890, 0.56),
        "naive": (0.200, 2.54),
        "merge": (0.893, 0.57),
        "ensemble": (0.910, 0.42),
        **further,
    }
    return Contenders.model_validate(
        {name: score(accuracy, loss) for name, (accuracy, loss) in figures.items()}
    )


def score(accuracy: float, loss: float, n: int = 1000) -> Score:
    return Score(
        loss=loss,
        accuracy=accuracy,
        calibration_error=0.04,
        temperature=1.5,
        calibrated_loss=loss * 0.75,
        n=n,
    )


def comparison(other: str, **changes: Any) -> Comparison:
    """The merge against `other`: by default as good, and not better."""
    fields: dict[str, Any] = {
        "other": other,
        "accuracy_difference": 0.0,
        "accuracy_low": -0.006,
        "accuracy_high": 0.006,
        "calibrated_loss_difference": 0.001,
        "calibrated_loss_low": -0.004,
        "calibrated_loss_high": 0.006,
        "n": 1000,
    }
    return Comparison(**{**fields, **changes})


def curve(height: float, n: int = 1000) -> Curve:
    """A parabola of `height` nats over the line between two parents, at 11 points."""
    shares = [i / 10 for i in range(11)]
    points = [
        CurvePoint(
            lam=lam,
            loss=0.52 + 0.04 * lam + 4 * height * lam * (1 - lam),
            accuracy=0.895 - 0.005 * lam - min(0.695, 1.4 * height * lam * (1 - lam)),
            excess=4 * height * lam * (1 - lam),
        )
        for lam in shares
    ]
    return Curve(
        points=points,
        barrier=bounded(height),
        calibrated_barrier=bounded(height * 0.75),
        error_barrier=bounded(min(0.695, 0.35 * height)),
        n=n,
    )


def bounded(value: float, width: float | None = None) -> Barrier:
    """A settled barrier halfway, with an interval of twice `width`: a tenth of it by default."""
    width = abs(value) / 10 if width is None else width
    return Barrier(value=value, at=0.5, low=value - width, high=value + width, settled=True)


def path_seen() -> PathSeen:
    """A curve that is lower than both straight paths."""
    return PathSeen(
        curve="bezier",
        bends=1,
        steps=400,
        naive=curve(2.0),
        straight=curve(0.3),
        found=curve(0.005),
        length=1.2,
        settled="no barrier",
        sentence="No barrier along the bezier path: 0.004 nats of calibrated loss.",
    )


def plane_seen() -> PlaneSeen:
    """A bowl around A, of which one point is no number."""
    points = [
        PlanePoint(x=float(x), y=float(y), loss=0.5 + 0.1 * (x * x + y * y), accuracy=0.5)
        for y in range(-1, 4)
        for x in range(-1, 6)
    ]
    points[-1] = points[-1].model_copy(update={"loss": None})
    return PlaneSeen(
        corners={"A": (0.0, 0.0), "B as given": (4.0, 0.0), "B aligned": (1.0, 2.0)},
        points=points,
        middles={"B as given": points[2], "B aligned": points[3]},
        n=1000,
        sentence="Halfway from A to B the loss is 0.900 nats with B as given.",
    )


def simplex_seen(models: int = 3) -> SimplexSeen:
    """Two simplexes of so many models: of joint and of star-like alignment."""

    def place(kind: str, shares: list[float]) -> SimplexPoint:
        rise = 0.0 if kind == "vertex" else 0.4 * (1 - max(shares))
        return SimplexPoint(
            kind=kind,
            shares=shares,
            loss=0.5 + rise,
            accuracy=0.9,
            excess=rise,
            calibrated_excess=rise * 0.75,
        )

    def even(members: tuple[int, ...]) -> list[float]:
        return [1 / len(members) if k in members else 0.0 for k in range(models)]

    faces = [f for size in range(2, models + 1) for f in combinations(range(models), size)]
    places = [place("vertex", even((k,))) for k in range(models)]
    places += [place("edge" if len(face) == 2 else "face", even(face)) for face in faces]
    inside = [0.5, *[0.5 / (models - 1)] * (models - 1)]
    places.append(place("inside", inside))
    return SimplexSeen(
        simplexes=[
            SimplexMeasured(
                multi_match=together,
                places=places,
                barrier=bounded(0.3),
                calibrated_barrier=bounded(0.2),
                vertices_ensemble=0.95,
                drawn_ensemble=0.94,
                n=1000,
            )
            for together in ("cycle-consistent", "star")
        ],
        sentence="Matched by cycle-consistent, the largest excess loss is 0.200 nats.",
    )


def surveyed() -> Report:
    """The merge of two, with a path and a plane around it."""
    return example(surveys=Surveys(path=path_seen(), plane=plane_seen()))


def of_three(**changes: Any) -> Report:
    """A merge of three models, as good as all of them."""
    scores = contenders(parent_c=(0.885, 0.54))
    compared = [comparison(f"parent_{letter}") for letter in "abc"]
    verdict = judge(scores, compared)
    method = example().method
    fields: dict[str, Any] = {
        "verdict": verdict.name,
        "verdict_sentence": verdict.sentence,
        "models": [parent(f"org/{name}", name[0]) for name in ("alpha", "beta", "chi")],
        "contenders": scores,
        "comparisons": compared,
        "method": method.model_copy(
            update={
                "multi_match": "cycle-consistent",
                "lam": None,
                "weights": [0.5, 0.3, 0.2],
                "spaces": [
                    space.model_copy(update={"parent": role})
                    for role in ("parent_b", "parent_c")
                    for space in method.spaces
                ],
            }
        ),
        "barrier": Barriers.of(naive=rising(2.0), matched=rising(0.05)),
    }
    return example(**{**fields, **changes})


def of_other_labels(**changes: Any) -> Report:
    """A merge of parents that know other labels, two of which they share."""
    known = [
        Known(
            parent=role,
            labels=labels,
            rows=rows,
            accuracy={role: 0.95, "naive": 0.5, "merge": 0.94},
            loss={role: 0.2, "naive": 1.5, "merge": None},
        )
        for role, labels, rows in (("parent_a", 3, 700), ("parent_b", 4, 300))
    ]
    heads = HeadsRecord(kind="concat", labels=5, outputs=7, shared=2, known_by=[3, 4], known=known)
    report = example(heads=heads)
    verdict = judge(report.contenders, report.comparisons, remark=remark(report))
    return report.model_copy(update={"verdict_sentence": verdict.sentence, **changes})


def rising(height: float, n: int = 1000) -> Curve:
    """A straight rise from parent A to `height` nats over the parents' own mixture, 0.54."""
    points = [
        CurvePoint(
            lam=lam,
            loss=0.52 + 0.02 * lam + height * lam,
            accuracy=0.895 - min(0.69, 0.3 * height) * lam,
            excess=height * lam,
        )
        for lam in (i / 10 for i in range(11))
    ]
    barrier = Barrier(value=height, at=1.0, low=height * 0.9, high=height * 1.1)
    return Curve(points=points, barrier=barrier, n=n)
