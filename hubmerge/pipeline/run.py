"""The main job, end to end: two models or more in, one measured merge out.

`run` reads like the README: plan, load, match, fuse and repair, save and reload, measure, report,
publish. Every step lives in a room of its own; this is the only file that knows them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from hubmerge.errors import RecipeError
from hubmerge.evaluation.curve import choose_lambda
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.outputs import Outputs
from hubmerge.fuse import Fused, Fusion, find_fusion
from hubmerge.hub.destination import Destination
from hubmerge.hub.load import LoadedModel
from hubmerge.hub.publish import Published, publish
from hubmerge.matching.alignment_files import FOLDER, save_matches
from hubmerge.pipeline.align import Parents, loaded
from hubmerge.pipeline.alignment import matched, paths_of, splits_for
from hubmerge.pipeline.auto_fuse import Trial, best_fusion, split_validation
from hubmerge.pipeline.choices import (
    check_names,
    heads_for,
    needs_spec,
    resolved_match,
    resolved_repair,
    resolved_symmetry,
    without_data,
)
from hubmerge.pipeline.evaluate import (
    DataSplits,
    Evaluation,
    evaluate_contenders,
    statistics_of,
    validation_of,
)
from hubmerge.pipeline.existing import title_of
from hubmerge.pipeline.fusing import AUTO, check_rows, given_to, learns, part_of
from hubmerge.pipeline.merge_path import LINEAR
from hubmerge.pipeline.merge_path import Path as MergePath
from hubmerge.pipeline.parents import AlignmentInputs, prepare_parents
from hubmerge.pipeline.publish import publish_standing
from hubmerge.pipeline.report import RunResults, tell
from hubmerge.pipeline.resolve import Sources, pin, pinned_recipe, without_paths
from hubmerge.pipeline.save import Arrival, read_back, weight_hashes, write_model
from hubmerge.planning.plan import Plan, make_plan
from hubmerge.recipe import RECIPE_FILE, Recipe, read_recipe
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.write import write_report
from hubmerge.surveys.of_merge import check_survey, run_surveys
from hubmerge.symmetry.permutation import State
from hubmerge.utils.stopwatch import Stopwatch
from hubmerge.utils.workers import Workers


@dataclass(frozen=True)
class MergeResult:
    """What a run leaves: the folder, its report, and what stands on the Hub."""

    folder: Path
    report: Report
    published: Published | None


def run(
    recipe: Recipe, destination: Destination | None = None, workers: Workers | None = None
) -> MergeResult:
    """Carries out `recipe`. Called by all processes alike; the main one writes.

    Where an earlier run was stopped between writing and publishing, only the latter is done; where
    its result is published already, that is downloaded and nothing else happens.
    Raises: any error of this package's; then nothing is written and nothing is pushed.
    """
    destination, workers = destination or Destination(), workers or Workers()
    watch = Stopwatch()
    with watch.stage("plan"):
        check_names(recipe)
        sources = workers.on_main(lambda: pin(recipe))
        out = destination.out or default_folder(sources)
        if destination.push is not None:
            written = _as_written(recipe, sources, destination)
            wanted = written.model_copy(update={"alignment": recipe.alignment})
            outputs_of_contender = workers.on_main(
                lambda: publish_standing(out, wanted, destination)
            )
            if outputs_of_contender is not None:
                return MergeResult(out, *outputs_of_contender)
        plan = workers.on_main(lambda: _plan(recipe, sources, destination, out))
        method = resolved_match(recipe)
    with watch.stage("load"):
        models = [loaded(source, recipe, workers) for source in sources.models]
        heads = heads_for(recipe, models)
        splits = splits_for(recipe, sources, models[0], workers, heads)
        based = prepare_parents(
            models,
            loaded(sources.base, recipe, workers) if sources.base else None,
            labels=recipe.align_labels,
            matched=needs_spec(recipe, method),
            symmetry=recipe.symmetry,
            heads=heads,
        )
        parents = based.parents
        part_of(recipe).check(parents.states[0])
        check_survey(recipe, splits)
    with watch.stage("match"):
        repair = resolved_repair(recipe, parents.a, splits)
        statistics = statistics_of(splits, parents.a, recipe.seed, learns=learns(recipe))
        check_rows(recipe, statistics, validation_of(splits))
        matches, tried = matched(recipe, method, based, repair, splits, workers)
    with watch.stage("fuse and repair"):
        naive, path, base = paths_of(recipe, based, matches, repair, splits, workers)
        lam, chosen = _lambda(recipe, path or naive, splits, workers)
        fusion, made, trials = fused(recipe, path or naive, base, lam, parents, splits, workers)
        state = made.state
    with Arrival(out, workers) as partial:
        with watch.stage("save"):
            workers.on_main(lambda: write_model(partial, parents.loaded, state))
            merge = read_back(partial, parents.loaded, state)
        with watch.stage("measure"):
            evaluation = _measured(recipe, splits, based, models, merge, lam, naive, path, workers)
            around = (
                run_surveys(recipe, method, based, matches, repair, splits, evaluation, workers)
                if recipe.survey and splits is not None and evaluation is not None
                else None
            )
        results = RunResults(
            recipe,
            method,
            plan,
            sources.dataset,
            tuple(models),
            based.base,
            merge,
            matches,
            tried,
            fusion,
            made,
            trials,
            repair,
            lam,
            chosen,
            splits,
            evaluation,
            around,
            heads,
        )
        report = workers.on_main(
            lambda: _report(results, sources, partial, destination, watch, workers)
        )
    with watch.stage("publish"):
        published = workers.on_main(lambda: _publish(out, destination, plan))
    return MergeResult(out, report, published)


def plan(recipe: Recipe, destination: Destination | None = None) -> Plan:
    """What `run` would do, without downloading weights. Raises: what would stop it."""
    destination = destination or Destination()
    check_names(recipe)
    sources = pin(recipe)
    return _plan(recipe, sources, destination, destination.out or default_folder(sources))


def default_folder(sources: Sources) -> Path:
    """Where a merge goes that nobody said the place of: here, named after all parents."""
    names = (source.id.rpartition("/")[2] for source in sources.models)
    return Path("-".join((*names, "merged")))


def _plan(recipe: Recipe, sources: Sources, destination: Destination, out: Path) -> Plan:
    data = recipe.dataset
    return make_plan(
        *sources.models,
        base=sources.base,
        dataset=sources.dataset,
        dataset_config=data.config if data else None,
        dataset_split=data.split if data else None,
        dataset_calibration_split=data.calibration_split if data else None,
        dataset_columns=data.columns if data else (),
        match=AUTO if without_data(recipe) else resolved_match(recipe),
        symmetry=resolved_symmetry(recipe),
        repair=recipe.repair,
        fitted=recipe.fuse != AUTO and find_fusion(recipe.fuse).needs == "label-free",
        labels="index" if recipe.align_labels == "index" else "names",
        heads=recipe.heads,
        samples=recipe.samples,
        calibration_samples=recipe.calibration_samples,
        out=out,
        push=destination.push,
        private=destination.private,
        create_pr=destination.create_pr,
        revision=destination.revision,
        exist_ok=destination.exist_ok,
        trust_remote_code=recipe.trust_remote_code,
    )


def fused(
    recipe: Recipe,
    path: MergePath,
    base: State | None,
    lam: float,
    parents: Parents,
    splits: DataSplits | None,
    workers: Workers,
) -> tuple[Fusion, Fused, tuple[Trial, ...]]:
    """The fusion, what it made of the aligned parents, and what else was tried."""
    given, part = given_to(recipe, base), part_of(recipe)

    def make(fusion: Fusion) -> Fused:
        return path.fused(fusion, lam, given, part)

    if recipe.fuse != AUTO:
        fusion = find_fusion(recipe.fuse)
        return fusion, make(fusion), ()
    validation = splits.validation if splits else None
    statistics = statistics_of(splits, parents.a, recipe.seed, learns=True)

    def run(made: Fused, what: str) -> Outputs:
        assert validation is not None
        return outputs(path.holding(made.state), split_validation(validation)[1], workers, what)

    return best_fusion(recipe, make, run, statistics, validation)


def _lambda(
    recipe: Recipe, path: MergePath, splits: DataSplits | None, workers: Workers
) -> tuple[float, bool]:
    """The weight of parent B, and whether it was chosen on validation rows.

    Of more than two parents the merge is the far end of the path.
    """
    if recipe.mixture is not None:
        return 1.0, False
    if recipe.lam != AUTO:
        return recipe.first_lambda, False
    if splits is None or not splits.validation.rows:
        raise RecipeError(
            "--lambda auto chooses on validation rows",
            found="none are left for it",
            hint="ask for fewer --samples, or give --lambda a number",
        )
    part = part_of(recipe)

    def point(lam: float) -> PreTrainedModel:
        return path.holding(path.fused(find_fusion(LINEAR), lam, part=part).state)

    lam, _ = choose_lambda(path.model if part.whole else point, splits.validation, workers)
    return lam, True


def _measured(
    recipe: Recipe,
    splits: DataSplits | None,
    based: AlignmentInputs,
    models: Sequence[LoadedModel],
    merge: LoadedModel,
    lam: float,
    naive: MergePath,
    path: MergePath | None,
    workers: Workers,
) -> Evaluation | None:
    if splits is None:
        return None
    ordered = [based.parents.model(number) for number in range(len(models))]
    return evaluate_contenders(
        splits,
        workers,
        parents=ordered if based.heads is None else [model.model for model in models],
        merge=merge.model,
        lam=lam,
        weights=recipe.mixture,
        naive=naive,
        matched=path,
        points=recipe.path_points,
        heads=based.heads,
    )


def _report(
    results: RunResults,
    sources: Sources,
    folder: Path,
    destination: Destination,
    watch: Stopwatch,
    workers: Workers,
) -> Report:
    """Writes everything that lies beside the weights."""
    if results.matches:
        place = folder / FOLDER if len(results.matches) > 1 else folder
        save_matches(results.matches, place, based=results.base is not None)
    pinned = _as_written(results.recipe, sources, destination)
    (folder / RECIPE_FILE).write_text(pinned.to_yaml(), encoding="utf-8")
    report = tell(results, weight_hashes(folder), watch.seconds, workers.describe())
    write_report(report, folder, destination.push)
    return report


def _as_written(recipe: Recipe, sources: Sources, destination: Destination) -> Recipe:
    """The recipe as it lies beside the merge; without this machine's paths if it is published."""
    pinned = pinned_recipe(recipe, sources)
    if destination.push is None:
        return pinned
    return without_paths(pinned, [source.id for source in sources.models])


def _publish(out: Path, destination: Destination, plan: Plan) -> Published | None:
    if destination.push is None:
        return None
    return publish(
        out,
        destination.push,
        private=plan.private,
        create_pr=destination.create_pr,
        revision=destination.revision,
        exist_ok=destination.exist_ok,
        message=title_of(read_recipe(out)),
        target=plan.target,
    )
