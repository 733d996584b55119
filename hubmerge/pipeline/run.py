"""The main job, end to end: two models or more in, one measured merge out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hubmerge.hub.destination import Destination, where
from hubmerge.pipeline.align import align
from hubmerge.pipeline.benchmark import benchmark, benchmark_tasks, check_tasks
from hubmerge.pipeline.benchmark_data import measure_benchmarks, open_benchmarks
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.evaluate import evaluate
from hubmerge.pipeline.fuse import fuse
from hubmerge.pipeline.load import load
from hubmerge.pipeline.merge_result import MergeResult
from hubmerge.pipeline.plan import plan_of
from hubmerge.pipeline.prepare import prepared
from hubmerge.pipeline.publish import publish, publish_existing
from hubmerge.pipeline.refine import refine
from hubmerge.pipeline.repair import choose_repair, shown_as_trained
from hubmerge.pipeline.report import write_report
from hubmerge.pipeline.resolve import resolve
from hubmerge.pipeline.results import RunResults
from hubmerge.pipeline.sample_texts import sample_texts
from hubmerge.pipeline.save import save
from hubmerge.pipeline.stages import staged
from hubmerge.pipeline.survey import survey
from hubmerge.pipeline.unchanged import States, refuse_changes, states_of
from hubmerge.planning.plan import Plan
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.report import Report
from hubmerge.streaming.kept import forget
from hubmerge.utils.atomic_folder import SharedAtomicFolder
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.stopwatch import Stopwatch
from hubmerge.utils.workers import Workers


@checked
def run(
    recipe: Recipe,
    destination: Destination | None = None,
    workers: Workers | None = None,
    *,
    out: str | Path | None = None,
    push: str | None = None,
) -> MergeResult:
    """Carries out `recipe`. Called by all processes alike; the main one writes.

    `out` (a folder to write, which must not exist) and `push` (a repository to publish to) are
    those of a `Destination`, which has more options.

    Where an earlier run was stopped between writing and publishing, only the latter is done; where
    its result is published already, that is downloaded and nothing else happens.
    Raises: any error of this package's; then nothing is written and nothing is pushed.
    """
    destination = where(destination, out, push)
    watch = Stopwatch()
    with watch.stage("plan"):
        run = resolve(recipe, destination, workers)
        before = states_of(run)
        existing = run.workers.on_main(lambda: publish_existing(run))
        if existing is not None:
            return MergeResult(run.out, *existing)
        plan = run.workers.on_main(lambda: plan_of(run))
    make = _stage
    with staged(run, make) as (whole, stages), prepared(whole) as ready:
        report = _made(ready, plan, before, watch, stages)
    run.workers.on_main(lambda: forget(run.out.absolute()))
    with watch.stage("publish"):
        published = run.workers.on_main(lambda: publish(run, plan))
    return MergeResult(run.out, report, published)


def _stage(run: Run) -> Report:
    """A stage of a merge, written."""
    before = states_of(run)
    plan = run.workers.on_main(lambda: plan_of(run))
    with prepared(run) as ready:
        report = _made(ready, plan, before, Stopwatch(), {})
    run.workers.on_main(lambda: forget(run.out))
    return report


def _made(
    run: Run, plan: Plan, before: States, watch: Stopwatch, stages: Mapping[str, Report]
) -> Report:
    """The merge, written and measured. before: what its folders were. stages: what the reports of
    its stages say.
    """
    tasks = run.workers.on_main(lambda: benchmark_tasks(run.recipe))
    with watch.stage("load"):
        inputs = load(run)
        check_tasks(tasks, inputs)
        further = open_benchmarks(run, tasks.data, inputs)
    with watch.stage("match"):
        repair = choose_repair(run, inputs)
        inputs = shown_as_trained(run, inputs, repair)
        alignment = align(run, inputs, repair)
    with watch.stage("fuse and repair"):
        fused = refine(run, inputs, fuse(run, inputs, alignment))
    with SharedAtomicFolder(run.out, run.workers) as folder:
        with watch.stage("save"):
            saved = save(run, inputs, fused, folder)
        fused = fused.without_tensors()
        with watch.stage("measure"):
            evaluation = evaluate(run, inputs, alignment, fused, saved.model)
            surveys = survey(run, inputs, alignment, evaluation)
            samples = sample_texts(run, inputs, saved.model)
            asked = benchmark(run, tasks, inputs, alignment, fused, saved.model)
            seen = measure_benchmarks(run, further, inputs, alignment, fused, saved.model)
        results = RunResults(
            run=run,
            plan=plan,
            inputs=inputs,
            alignment=alignment,
            fused=fused,
            saved=saved,
            evaluation=evaluation,
            surveys=surveys,
            benchmarks=(*asked, *seen),
            samples=samples,
            stages=stages,
        )
        report = run.workers.on_main(lambda: write_report(results, folder, watch.seconds))
        refuse_changes(run, before)
        return report
