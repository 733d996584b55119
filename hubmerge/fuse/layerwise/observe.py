"""Seeing what several models do at the same places on the same images, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from torch import Tensor, nn

from hubmerge.fuse.layerwise.trace import TracePoint
from hubmerge.utils.hooks import ThreadValues, entering, leaving


class _Enough(Exception):
    """Everything that was to be seen has been seen."""


@contextmanager
def observing(model: nn.Module, places: Sequence[TracePoint]) -> Iterator[ThreadValues]:
    """Inside, a pass through `run` leaves the value at every place under that place."""
    seen = ThreadValues()

    def keep(place: TracePoint, value: Tensor) -> None:
        # Cloned, because a model may go on to add to it in place.
        seen.values.setdefault(place, value.clone())
        if len(seen.values) == len(places):
            raise _Enough

    with ExitStack() as stack:
        for place in places:
            if place.entering:
                look = {place.module: lambda value, at=place: keep(at, value)}
                stack.enter_context(entering(model, look))
            else:
                left = {place.module: lambda module, given, value, at=place: keep(at, value)}
                stack.enter_context(leaving(model, left))
        yield seen


def run(
    model: nn.Module, inputs: Mapping[str, Tensor], seen: ThreadValues
) -> dict[TracePoint, Tensor]:
    """What stands at every place observed; the pass ends where the last of them is seen."""
    with suppress(_Enough):
        model(**inputs)
    return seen.take()
