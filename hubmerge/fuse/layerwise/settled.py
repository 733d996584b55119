"""What modules gave whose layers are all fitted, kept so that they do not run again.

A model that is refitted in forward order runs once for every stage, and all but its last part gives
each time what it gave before. So a module that ends before the first layer that is still to be
fitted begins is settled: what left it is kept for each batch, and given again, to the bit.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hubmerge.utils.hooks import removed

SETTLED_BYTES = 2**30
"""Of what settled modules gave, kept at most: 1 GiB. Other batches run through all of the model."""


class SettledModules:
    """Runs of one model, batch after batch, while ever more of its layers are settled."""

    def __init__(
        self, model: nn.Module, probe: Mapping[str, Tensor], most: int | None = None
    ) -> None:
        """probe: rows that show which modules run once, which alone are kept. most: bytes that are
        kept, where there is room for less than `SETTLED_BYTES`.
        """
        self._most = SETTLED_BYTES if most is None else min(SETTLED_BYTES, most)
        runs = _runs(model, probe)
        self._modules = {name: each for name, each in model.named_modules() if runs[name] == 1}
        self._kept: dict[int, dict[str, Any]] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._pass = _Pass()

    @contextmanager
    def reused(self, unfitted: Collection[str]) -> Iterator[None]:
        """Inside, settled modules are not run again. unfitted: layers that are not settled yet."""
        last = set(unfitted)
        for name, module in self._modules.items():
            module.forward = self._instead(name, module.forward, name in last)
        try:
            yield
        finally:
            for module in self._modules.values():
                del module.forward

    @contextmanager
    def batch(self, number: int) -> Iterator[None]:
        """Inside, this thread's pass is one over the batch of that number."""
        self._pass.number, self._pass.settled = number, True
        try:
            yield
        finally:
            self._pass.number = None

    def _instead(self, name: str, forward: Callable[..., Any], last: bool) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            number = self._pass.number
            if number is None:
                return forward(*args, **kwargs)
            kept = self._kept.get(number, {})
            if name in kept:
                return _copied(kept[name])
            if last:
                self._pass.settled = False
            output = forward(*args, **kwargs)
            if self._pass.settled:
                self._keep(number, name, output)
            return output

        return run

    def _keep(self, number: int, name: str, output: Any) -> None:
        """Keeps what left a module, in place of what left those within it."""
        if not _is_plain(output):
            return
        with self._lock:
            kept = self._kept.setdefault(number, {})
            within = [each for each in kept if each.startswith(f"{name}.")]
            size = _size(output) - sum(_size(kept[each]) for each in within)
            if self._bytes + size > self._most:
                return
            for each in within:
                del kept[each]
            kept[name] = _copied(output)  # a model may go on to add to it in place
            self._bytes += size


class _Pass(threading.local):
    """The current thread's pass: over which batch, and whether all that has run is settled."""

    number: int | None = None
    settled: bool = False


def _runs(model: nn.Module, probe: Mapping[str, Tensor]) -> Counter[str]:
    """How often each module but the model itself runs in one pass."""
    runs: Counter[str] = Counter()

    def count(name: str) -> Callable[..., None]:
        return lambda module, args, output: runs.update([name])

    handles = [
        module.register_forward_hook(count(name)) for name, module in model.named_modules() if name
    ]
    with removed(handles), torch.inference_mode():
        model(**probe)
    return runs


def _is_plain(output: Any) -> bool:
    if isinstance(output, Tensor):
        return True
    return type(output) is tuple and all(isinstance(each, Tensor | None) for each in output)


def _copied(output: Any) -> Any:
    if isinstance(output, tuple):
        return tuple(None if each is None else each.clone() for each in output)
    return output.clone()


def _size(output: Any) -> int:
    if isinstance(output, tuple):
        return sum(each.nbytes for each in output if each is not None)
    return int(output.nbytes)
