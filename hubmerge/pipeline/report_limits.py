"""What a reader of the report must know before relying on a merge, in sentences."""

from __future__ import annotations

import torch

from hubmerge.fuse.varying import varies
from hubmerge.models.images import image_size
from hubmerge.pipeline.methods import NO_MATCH
from hubmerge.pipeline.results import RunResults
from hubmerge.pipeline.sample_texts import why_no_samples
from hubmerge.pipeline.sources import source_name
from hubmerge.repair import batch_norms
from hubmerge.reporting.numbers import counted
from hubmerge.symmetry.coordinates import unusable_gains
from hubmerge.tasks import why_unmeasured
from hubmerge.utils.parent_names import display_name, listed, roles
from hubmerge.utils.row_files import local_noun


def limits_of(results: RunResults) -> list[str]:
    """Every limit of a merge, the most important first."""
    found = [
        _measured(results),
        _in_memory(results),
        _synthetic(results),
        unrepaired(results),
        _dtypes(results),
        _unmatched(results),
        _folded(results),
        *_single_parent(results),
        *_curve(results),
        why_no_samples(results.inputs, results.merge),
        _of_folders(results),
    ]
    unseen = results.surveys.unseen if results.surveys else ()
    return [*(each for each in found if each), *results.plan.remarks, *unseen]


def _of_folders(results: RunResults) -> str | None:
    """That only who has the same folders can make the merge again."""
    given = results.run.sources.by_role()
    named = [source_name(role) for role, source in given.items() if source.kind == "local"]
    if not named:
        return None
    said = listed(named)
    nouns = sorted({local_noun(s.id) for s in given.values() if s.kind == "local"}, reverse=True)
    verb, them = f"are {' and '.join(f'{noun}s' for noun in nouns)}", "them"
    if len(named) == 1:
        verb, them = f"is a {nouns[0]}", "it"
    return (
        f"{said[0].upper()}{said[1:]} {verb} of the publisher's, known by a hash of the content: "
        f"only who has {them} can make this merge again."
    )


def unrepaired(results: RunResults) -> str | None:
    """That running statistics do not fit the merged weights, where nothing repaired them."""
    if results.alignment.repair is not None or results.sets_statistics:
        return None
    if results.is_a_parent or results.is_refined:
        return None
    norms = len(batch_norms(results.inputs.models[0].model))
    if not norms:
        return None
    why = results.no_calibration_rows or "no repair was wanted"
    if results.run.recipe.repair == "none":
        why = "no repair was wanted"
    elif results.run.recipe.repair == "auto" and _takes_images(results):
        why += ", and no synthetic images can be made for them"
    return (
        f"The running statistics of {norms} batch-norm layers are averages of the parents', "
        f"which do not fit the merged weights: {why}."
    )


def _takes_images(results: RunResults) -> bool:
    return results.inputs.models[0].model.main_input_name == "pixel_values"


def _measured(results: RunResults) -> str | None:
    splits = results.inputs.splits
    if results.evaluation is None or splits is None:
        merge = results.merge
        return f"Nothing was measured: {why_unmeasured(merge.task, type(merge.model).__name__)}."
    return (
        f"Measured on {counted(splits.evaluation.rows, results.unit)} of one data set; "
        "other data may rank the contenders differently."
    )


def _in_memory(results: RunResults) -> str | None:
    """That others lack what the merge was made of."""
    given = results.run.sources.by_role()
    named = {role: source for role, source in given.items() if source.kind == "memory"}
    if not named:
        return None
    names = {"dataset": "the data set", "base": "the base"}
    roles_of = dict(zip(roles("model", 26), roles("parent", 26), strict=True))
    said = [
        f"{names.get(role) or display_name(roles_of[role])} ({source.sha})"
        for role, source in named.items()
    ]
    verb, its = ("was an object", "its") if len(said) == 1 else ("were objects", "their")
    what = listed(said)
    return (
        f"{what[0].upper()}{what[1:]} {verb} in memory, known only by the hash of {its} content: "
        "others cannot make this merge again."
    )


def _synthetic(results: RunResults) -> str | None:
    why = results.no_calibration_rows
    if why is None or (results.alignment.repair is None and not results.sets_statistics):
        return None
    a = results.inputs.models[0]
    what = "Layers were fitted" if results.sets_statistics else "Batch norm was re-estimated"
    size = image_size(a.config, a.processor)
    return (
        f"{what} on synthetic images{f' of {size[0]} x {size[1]}' if size else ''}, because "
        f"{why}; real images would fit better."
    )


def _dtypes(results: RunResults) -> str | None:
    dtypes = [dtype_name(parent.dtype) for parent in results.inputs.models]
    if len(set(dtypes)) == 1 and results.run.recipe.dtype in (None, dtypes[0]):
        return None
    merged = dtype_name(results.dtype)
    return f"The parents are stored in {listed(dtypes)}; the merge is stored in {merged}."


def _unmatched(results: RunResults) -> str | None:
    """Why the parents' units were left in the order they have."""
    if results.alignment.matches:
        return None
    if results.alignment.trials:
        why = "on validation rows no match was surely better than the parents as they came"
    elif results.run.methods.match != NO_MATCH and not results.based:
        why = "the parents are as close as they came as matching brings them"
    elif results.run.recipe.match == "none":
        why = "the parents' units were taken in the order they came"
    elif results.based:
        why = "all parents lie in the basin of their base, whose order of units they have"
    else:
        why = "checkpoints of one run have one order of units"
    return f"Nothing was matched: {why}."


def _folded(results: RunResults) -> str | None:
    """Gains of A that nothing could be divided by, in whose coordinates the merge is not."""
    formed = next((match for match in results.alignment.matches if match.formed), None)
    if formed is None:
        return None
    anchored = results.inputs.alignment.anchored or results.inputs.parents
    found = unusable_gains(formed.spec, anchored.states[0])
    if not found:
        return None
    count = sum(int(small.sum()) for small in found.values())
    return (
        f"Gains too small to divide by, {count} of {listed(list(found))}, are 1 in the merge, and "
        "multiplied into the layers that read these norms."
    )


def _single_parent(results: RunResults) -> list[str]:
    weights = results.fused.fused.weights or ()
    if 1.0 not in weights or not results.run.methods.subset.whole or results.is_refined:
        return []
    alone = display_name(roles("parent", len(weights))[weights.index(1.0)])
    rows = ", with the others' rows for what it does not know" if results.inputs.heads else ""
    name = results.fused.fusion.name
    return [f"{name} took in {alone} alone: the merge is that model{rows}."]


def _curve(results: RunResults) -> list[str]:
    if results.evaluation is None or results.evaluation.naive is None:
        return []
    found = []
    if results.inputs.heads is not None:
        found.append(
            "The ends of the curve are no untouched parents: each has been given the others' rows "
            "for what it does not know."
        )
    fusion, varied = results.fused.fusion, varies(results.run.recipe.fuse_options)
    straight = fusion.linear and results.run.methods.subset.whole and not varied
    if results.is_refined or not straight:
        repair = results.alignment.repair
        what = "a refined network" if results.is_refined else fusion.name
        found.append(
            "The curve is that of the straight path between the aligned parents (repair "
            f"{repair.name if repair else 'none'}), on which {what} does not end: the barrier says "
            "how well they were matched, not how good this merge is."
        )
    return found


def dtype_name(dtype: torch.dtype) -> str:
    """As configurations write it: float16."""
    return str(dtype).removeprefix("torch.")
