"""What stands around layers: norms, gates, tensors that are one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from hubmerge.errors import SpecError
from hubmerge.specs.draft.state import Draft
from hubmerge.specs.map_rules import gate_beside, norm_behind, norm_over
from hubmerge.specs.spec import SCALE, weight_of
from hubmerge.specs.tables import Scope

TIES = "tie_word_embeddings"
"""Field of the configuration by which transformers says that tensors are one."""


def norms(
    draft: Draft, table: Mapping[str, str], prefix: str, scope: Scope, *, centred: bool
) -> None:
    """Adds the norms of one table, with the modules that read what leaves them."""
    for key, text in table.items():
        source = draft.family.where("layernorm" if centred else "rmsnorm", key, scope)
        names = (key.removesuffix("?"), *text.split())
        module, *named = (".".join(filter(None, (prefix, name))) for name in names)
        if key.endswith("?") and f"{module}.weight" not in draft.shapes:
            continue
        readers = [each for name in named for each in _modules(draft, name)]
        norm = norm_over(module, readers, draft.lines, centred, source)
        draft.norms.append(replace(norm, offset=draft.family.gain_offset))


def _modules(draft: Draft, name: str) -> list[str]:
    """The modules with a weight that `name` stands for.

    With {} for numbers of layers: all that are so called; with ? at its end: it or none.
    """
    if name.endswith("?"):
        name = name.removesuffix("?")
        return [name] if weight_of(name, draft.lines) in draft.lines else []
    if "{" not in name:
        return [name]
    numbered = re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(name))
    weights = (tensor.removesuffix(".weight") for tensor in draft.lines)
    return [tensor for tensor in weights if re.fullmatch(numbered, tensor)] or [name]


def stands_behind(draft: Draft, table: Mapping[str, str], prefix: str, scope: Scope) -> None:
    """Adds the norms of one table, with the layer that each of them stands behind."""
    for key, text in table.items():
        source = draft.family.where("behind", key, scope)
        names = (key.removesuffix("?"), text)
        module, writer = (".".join(filter(None, (prefix, name))) for name in names)
        if key.endswith("?") and f"{module}.weight" not in draft.shapes:
            continue
        norm = norm_behind(module, writer, draft.lines, source)
        if norm.batch and draft.family.batchnorm_eps is None:
            raise SpecError(
                f"{module} is a batch norm",
                found="nothing says what it adds to the variance",
                source=source,
                hint="batchnorm_eps = 1e-5, or whatever the model takes, above all tables",
            )
        draft.behind.append(norm)


def gates(draft: Draft, table: Mapping[str, str], prefix: str, scope: Scope) -> None:
    """Adds the gates of one table, with the layer whose units each of them multiplies."""
    for key, text in table.items():
        source = draft.family.where("gate", key, scope)
        names = (key.removesuffix("?"), text)
        module, beside = (".".join(filter(None, (prefix, name))) for name in names)
        if key.endswith("?") and f"{module}.weight" not in draft.shapes:
            continue
        gate = gate_beside(module, beside, draft.lines, source)
        draft.gates.append(gate)
        if gate.space in draft.scaled:  # nothing but the gate goes through the function
            draft.spaces[gate.space] = replace(draft.spaces[gate.space], may=SCALE)


def tie(draft: Draft, table: Mapping[str, str]) -> None:
    """Adds the tensors that are one, if the configuration says that they are."""
    for name, other in table.items() if getattr(draft.config, TIES, False) else ():
        lines = [draft.lines.get(tensor) for tensor in (name, other)]
        if None in lines or lines[0].axes != lines[1].axes:  # type: ignore[union-attr]
            shown = " and ".join(f'"{line.text}"' if line else "no line" for line in lines)
            raise SpecError(
                f"{name} cannot be {other}",
                found=f"their lines are {shown}",
                source=draft.family.where("tied", name),
                hint="one tensor under two names has the same axes under both",
            )
        draft.tied[name] = other
