"""First and second moments of two models' activations, streamed over calibration images.

Every watched place contributes one covariance matrix between all units of one model and all
units of the other. Sums are float64 and in a fixed order, and memory does not grow with the number
of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from hubmerge.errors import SpecError
from hubmerge.matching.similarity.joint import Joint
from hubmerge.matching.similarity.kept_moments import KeptMoments
from hubmerge.models.lookup import largest_tensor, looks_up
from hubmerge.specs.spec import ROTATE, TWO_SIDED, ObservedModule, Spec
from hubmerge.symmetry.element import fixes_one
from hubmerge.utils.hooks import ThreadValues, entering, leaving, placed
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.workers import PARTIAL_SUMS, Workers

IMAGES_AT_ONCE = 20
"""Images whose activations are held together: at every watch of both models at once."""


LANES = PARTIAL_SUMS
"""Parts of the rows that are run at once, each with sums of its own."""

SUMS, SEEN = 3, 4
"""Matrices of a place that a lane holds at the peak: its sums, a batch's and a part's of it. And
times what both models' units did there."""

KEPT = 4
"""Share of the memory there is, as 1 over it, that moments may take once they are found."""

FLOAT32, FLOAT64 = 4, 8
"""Bytes of a number."""

Look = Callable[[ObservedModule, Tensor, Tensor], Mapping[str, Tensor]]
"""Makes tensors to be summed of the two models' units at a watch, [observations, units] each."""


@dataclass(frozen=True)
class Moments:
    """What was seen of two models' units at every watch, over so many images."""

    joint: Mapping[ObservedModule, Joint]
    images: int

    @property
    def correlations(self) -> dict[ObservedModule, Tensor]:
        """Correlation [units, units] of the anchor's against the other's units at every watch."""
        return {watch: joint.correlation for watch, joint in self.joint.items()}


def measure_moments(
    spec: Spec,
    anchor: nn.Module,
    other: nn.Module,
    batches: InputBatches,
    workers: Workers,
) -> Moments:
    """Runs both models over `batches` (each with `.inputs`) and correlates what the spec watches.

    With less memory than all of it takes the models are run several times, each time for some of
    the places; nothing else changes.
    Raises: SpecError if the spec watches a module the models do not have or do not run, or if
    what is seen there has other axes.
    """
    kinds = spec.mapped_spaces()

    def products(watch: ObservedModule, ours: Tensor, theirs: Tensor) -> dict[str, Tensor]:
        seen = {kinds[name]: name for name in watch.layout.names() if name in kinds}
        if ROTATE in seen:
            centred = fixes_one(spec, seen[ROTATE])
            ours, theirs = _normed(ours, centred), _normed(theirs, centred)
        return _sums(ours, theirs, own=not seen.keys().isdisjoint(TWO_SIDED))

    counted: list[int] = []

    def found() -> Iterator[tuple[ObservedModule, Joint]]:
        for some in at_once(spec, batches, _room(workers, anchor)):
            sums, images = sum_over_units(spec, anchor, other, batches, workers, products, some)
            counted.append(images)
            for watch in some:
                yield watch, _joint(sums.pop(watch))

    every = sum(bytes_of_sums(spec, watch) for watch in spec.watches) // (SUMS * LANES)
    kept = workers.memory is not None and every > workers.memory // KEPT
    joint: Mapping[ObservedModule, Joint] = KeptMoments(found()) if kept else dict(found())
    return Moments(joint, counted[0] if counted else 0)


def _room(workers: Workers, model: nn.Module) -> int | None:
    """Bytes that are left where both models look their tensors up, in every lane."""
    if workers.memory is None or not looks_up(model):
        return workers.memory
    return max(0, workers.memory - LANES * largest_tensor(model))


def at_once(spec: Spec, batches: InputBatches, memory: int | None) -> list[list[ObservedModule]]:
    """The places that are looked at in each of several passes over the batches.

    memory: bytes there are for what is seen and summed; None: as many as are needed.
    """
    if memory is None or not len(batches):
        return [list(spec.watches)]
    places = _places(batches[0].inputs)
    passes: list[list[ObservedModule]] = []
    left = 0
    for watch in spec.watches:
        size = bytes_of_sums(spec, watch) + LANES * bytes_seen(watch, places)
        if size > left or not passes:
            passes.append([])
            left = memory
        passes[-1].append(watch)
        left -= size
    return passes


def bytes_of_sums(spec: Spec, watch: ObservedModule) -> int:
    """What sums over a place's units take while they are made, in all lanes."""
    kinds = spec.mapped_spaces()
    mapped = any(kinds.get(name) in TWO_SIDED for name in watch.layout.names())
    units = watch.layout.sizes[watch.axis] or 1
    return LANES * SUMS * units**2 * FLOAT64 * (3 if mapped else 1)


def bytes_seen(watch: ObservedModule, places: int) -> int:
    """What both models' units at a place take in one part of a batch. places: of each row."""
    return 2 * SEEN * IMAGES_AT_ONCE * places * (watch.layout.sizes[watch.axis] or 1) * FLOAT32


def _places(inputs: Mapping[str, Tensor]) -> int:
    """In how many places a row's units are seen: its tokens; one where it has none."""
    return max((value.shape[1] for value in inputs.values() if value.ndim == 2), default=1)


def sum_over_units(
    spec: Spec,
    anchor: nn.Module,
    other: nn.Module,
    batches: InputBatches,
    workers: Workers,
    look: Look,
    watches: Sequence[ObservedModule] | None = None,
) -> tuple[dict[ObservedModule, dict[str, Tensor]], int]:
    """The sums over all batches of what `look` makes of both models' units at every watch.

    watches: the places to look at; None: all of the spec's.
    Returns: the sums by watch and the number of images. Raises: as `measure_moments`.
    """
    watches = spec.watches if watches is None else watches
    _check_modules(spec, anchor)

    def one(number: int) -> dict[str, Tensor]:
        batch = batches[number]
        total = {"images": torch.tensor(float(len(batch)), dtype=torch.float64)}
        for start in range(0, len(batch), IMAGES_AT_ONCE):
            end = start + IMAGES_AT_ONCE
            part = {key: value[start:end] for key, value in batch.inputs.items()}
            for key, value in passed(part).items():
                total[key] = total[key] + value if key in total else value
        return total

    def passed(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        inputs = {key: value.to(workers.device) for key, value in inputs.items()}
        with torch.inference_mode():
            anchor(**inputs)
            other(**inputs)
            ours, theirs = our_units.take(), their_units.take()
            return {
                f"{key}:{k}": value
                for k, watch in enumerate(watches)
                for key, value in look(
                    watch,
                    _units(spec, watch, ours.pop(k, None)),
                    _units(spec, watch, theirs.pop(k, None)),
                ).items()
            }

    with (
        placed(workers.device, anchor, other),
        watching(anchor, watches) as our_units,
        watching(other, watches) as their_units,
    ):
        sums = workers.sum(one, range(len(batches)), "activations")
    images = int(sums.pop("images"))
    found: dict[ObservedModule, dict[str, Tensor]] = {watch: {} for watch in watches}
    for name, value in sums.items():
        key, _, k = name.rpartition(":")
        found[watches[int(k)]][key] = value
    return found, images


def _check_modules(spec: Spec, model: nn.Module) -> None:
    modules = dict(model.named_modules())
    for watch in spec.watches:
        if watch.module not in modules:
            close = get_close_matches(watch.module, modules, n=1)
            raise SpecError(
                f'the spec watches "{watch}"',
                found="the model has no such module",
                source=spec.source,
                hint=f"did you mean {close[0]!r}?" if close else "name a module of the model",
            )


def _units(spec: Spec, watch: ObservedModule, value: Tensor | None) -> Tensor:
    """What was seen at `watch`, as [observations, units]."""
    axis, size = watch.axis, watch.layout.sizes[watch.axis]
    if value is None or value.ndim != len(watch.layout.axes) or value.shape[axis] != size:
        seen = "the module was not run" if value is None else f"a tensor {list(value.shape)}"
        raise SpecError(
            f'the spec watches "{watch}" as "{watch.layout}", {size} units on axis {axis}',
            found=seen,
            source=spec.source,
            hint="one * for every axis of observations, a name for that of the units",
        )
    return value.movedim(axis, -1).flatten(0, -2)


def _normed(units: Tensor, centred: bool) -> Tensor:
    """[observations, units] as a norm over the units lets them through, each of length 1.

    So an observation (a token) counts as much as its share in what is read, whatever its size.
    """
    if centred:
        units = units - units.mean(1, keepdim=True)
    return units / units.norm(dim=1, keepdim=True).clamp_min(torch.finfo(units.dtype).tiny)


def _sums(a: Tensor, b: Tensor, *, own: bool) -> dict[str, Tensor]:
    """Moments of one batch, [observations, units] each; `own` products of all pairs of units.

    The large products are taken in float32 about the batch's own mean and completed in float64, so
    nothing cancels.
    """
    n = len(a)
    mean_a, mean_b = a.mean(0, dtype=torch.float64), b.mean(0, dtype=torch.float64)
    a, b = a - mean_a.to(a.dtype), b - mean_b.to(b.dtype)
    return {
        "n": torch.tensor(float(n), dtype=torch.float64),
        "a": n * mean_a,
        "b": n * mean_b,
        "aa": _own_sums(a, n * mean_a, mean_a, own),
        "bb": _own_sums(b, n * mean_b, mean_b, own),
        "ab": (a.T @ b).double() + n * torch.outer(mean_a, mean_b),
    }


def _own_sums(centred: Tensor, total: Tensor, mean: Tensor, full: bool) -> Tensor:
    """Products of a model's units with themselves: of every pair if `full`, else squares alone."""
    if full:
        return (centred.T @ centred).double() + torch.outer(total, mean)
    return centred.square().sum(0, dtype=torch.float64) + total * mean


def _joint(sums: Mapping[str, Tensor]) -> Joint:
    n = sums["n"]
    means = (sums["a"] / n, sums["b"] / n)
    covariance = sums["ab"] / n - torch.outer(*means)
    squares = [sums[key] / n for key in ("aa", "bb")]
    alone = [s if s.ndim == 1 else s.diagonal() for s in squares]
    deviations = (_deviation(alone[0], means[0]), _deviation(alone[1], means[1]))
    if squares[0].ndim == 1:
        return Joint(covariance, means, deviations)
    own = [s - torch.outer(mean, mean) for s, mean in zip(squares, means, strict=True)]
    return Joint(covariance, means, deviations, (own[0], own[1]))


def _deviation(square: Tensor, mean: Tensor) -> Tensor:
    """Standard deviations; 0 where what is left of the mean square is rounding."""
    variance = square - mean.square()
    return torch.where(variance > 1e-12 * square, variance, 0.0).sqrt()


@contextmanager
def watching(model: nn.Module, watches: Sequence[ObservedModule]) -> Iterator[ThreadValues]:
    """Inside, a pass leaves what it saw at every watch under the number of the watch."""
    seen = ThreadValues()

    def enters(number: int) -> Callable[[Tensor], None]:
        return lambda value: seen.values.update({number: value})

    def leaves(number: int) -> Callable[[nn.Module, Tensor, Tensor], None]:
        return lambda module, given, value: seen.values.update({number: value})

    numbered = list(enumerate(watches))
    with (
        entering(model, {w.module: enters(k) for k, w in numbered if w.entering}),
        leaving(model, {w.module: leaves(k) for k, w in numbered if not w.entering}),
    ):
        yield seen
