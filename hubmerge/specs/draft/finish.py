"""A spec, once nothing is missing."""

from __future__ import annotations

from dataclasses import replace

from hubmerge.specs.draft.coverage import check_covered, check_used, refuse_alike
from hubmerge.specs.draft.state import Draft
from hubmerge.specs.map_rules import check_mapped, kind_tied
from hubmerge.specs.nesting import check_nesting
from hubmerge.specs.notation import SAMPLES
from hubmerge.specs.sizes import infer_sizes
from hubmerge.specs.spec import FLIP, PERMUTE, ObservedModule, Space, Spec, lay_out_axes


def finish(draft: Draft) -> Spec:
    """The spec, once nothing is missing. Raises SpecError for what is."""
    for key, name, source in draft.absent:
        refuse_alike(draft, key, name, source)
    check_covered(draft)
    sizes = infer_sizes(draft.lines, draft.shapes, draft.known)
    check_used(draft)
    for tensor, line in draft.lines.items():
        what = f'{tensor} {list(draft.shapes[tensor])} is "{line.text}"'
        check_nesting(what, line, draft.spaces)
    for (module, _), line in draft.watched.items():
        check_nesting(f'watch of {module} is "{line.text}"', line, draft.spaces)
    spaces = {name: replace(space, size=sizes[name]) for name, space in draft.spaces.items()}
    for norm in draft.behind:
        if not norm.batch and spaces[norm.space].may == FLIP:  # no sign passes a layer norm
            spaces[norm.space] = replace(spaces[norm.space], may=PERMUTE)
    spaces = {name: _settled(draft, space) for name, space in spaces.items()}
    check_mapped(spaces, draft.lines, draft.norms, draft.declared)
    return Spec(
        family=draft.family.name,
        spaces=spaces,
        tensors={name: lay_out_axes(draft.lines[name].axes, sizes) for name in draft.shapes},
        buffers=frozenset(draft.buffers),
        watches=tuple(
            ObservedModule(module, entering, lay_out_axes(line.axes, {**sizes, SAMPLES: 1}))
            for (module, entering), line in draft.watched.items()
        ),
        source=draft.family.shown_path,
        norms=tuple(draft.norms),
        behind=tuple(draft.behind),
        batchnorm_eps=draft.family.batchnorm_eps,
        gates=tuple(draft.gates),
        tied=draft.tied,
    )


def _settled(draft: Draft, space: Space) -> Space:
    """The space with what ties leave of its freedom; fixed, where it has none."""
    space = replace(space, may=kind_tied(space, draft.norms, draft.tied))
    alone = space.within is not None and space.size == 1 and space.may == PERMUTE
    return replace(space, fixed=True) if alone else space
