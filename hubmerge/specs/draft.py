"""A spec being put together: spaces are declared, tensors claimed, places watched, then checked.

Every check of the language that looks at more than one line lives here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from hubmerge.errors import SpecError
from hubmerge.specs.config_fields import field_of, size_of
from hubmerge.specs.family import Family
from hubmerge.specs.map_rules import (
    MAX_POOL,
    check_mapped,
    gate_beside,
    kind_through,
    kind_tied,
    norm_behind,
    norm_over,
)
from hubmerge.specs.nesting import check_nesting, composed_with_itself
from hubmerge.specs.notation import SAMPLES, Axis, parse, short
from hubmerge.specs.sizes import Line, Shapes, infer_sizes
from hubmerge.specs.spec import (
    FLIP,
    KINDS,
    PERMUTE,
    SCALE,
    Behind,
    Gate,
    Norm,
    ObservedModule,
    Space,
    Spec,
    lay_out_axes,
    weight_of,
)
from hubmerge.specs.tables import Block, Scope, SpaceLine

TIES = "tie_word_embeddings"
"""Field of the configuration by which transformers says that tensors are one."""


@dataclass(kw_only=True)
class Draft:
    """What `family` has said so far about a model with `config` and tensors of `shapes`.

    The methods take names as the file writes them; `names` maps those to full names, in which a
    space of a block carries the block's prefix.
    """

    family: Family
    config: Any
    shapes: Shapes
    spaces: dict[str, Space] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    buffers: set[str] = field(default_factory=set)
    scaled: set[str] = field(default_factory=set)
    absent: list[tuple[str, str, str]] = field(default_factory=list)
    mentioned: set[str] = field(default_factory=set)
    watched: dict[tuple[str, bool], Line] = field(default_factory=dict)
    norms: list[Norm] = field(default_factory=list)
    behind: list[Behind] = field(default_factory=list)
    gates: list[Gate] = field(default_factory=list)
    tied: dict[str, str] = field(default_factory=dict)

    def declare(
        self,
        table: Mapping[str, str | int | SpaceLine],
        names: Mapping[str, str],
        scope: Scope,
        *,
        fixed: bool,
    ) -> None:
        """Adds the spaces of one table, under the names `names` gives them here."""
        for local, given in table.items():
            line = given if isinstance(given, SpaceLine) else SpaceLine(size=given)
            source = self.family.where("fixed" if fixed else "space", local, scope)
            within = None
            if line.within is not None:
                within = self._outer(local, line.within, names, source, fixed=fixed)
            may = self.kind(local, line.may, line.through, source)
            self.add(names.get(local, local), source, within=within, fixed=fixed, may=may)
            full = names.get(local, local)
            self.spaces[full] = replace(self.spaces[full], seen=line.seen)
            if line.may == SCALE:
                self.scaled.add(names.get(local, local))
            size = None if line.size is None else self._given_size(local, line.size, source)
            if size is not None:
                self.known[names.get(local, local)] = size

    def kind(
        self, local: str, may: str | None, through: str | tuple[str, ...] | None, source: str
    ) -> str:
        """What may be done to the space `local`, given all that its units go through."""
        if may is not None and may not in KINDS:
            raise SpecError(
                f"space {local!r} may {may!r}",
                found=f"kinds: {', '.join(KINDS)}",
                source=source,
                hint="see docs/spec.md" + nearest(may, KINDS),
            )
        if through is None:
            return may or PERMUTE
        functions = []
        for name in (through,) if isinstance(through, str) else through:
            function = name if name == MAX_POOL else field_of(self.config, name)
            if may != SCALE or not isinstance(function, str):
                raise SpecError(
                    f"space {local!r} may {may!r} through {name!r}",
                    found=f"{name} = {function!r}",
                    source=source,
                    hint='only what may "scale" goes through a configuration field that names an '
                    f'activation function, or through "{MAX_POOL}"',
                )
            functions.append(function)
        return kind_through(functions)

    def add(
        self,
        name: str,
        source: str,
        *,
        within: str | None = None,
        fixed: bool = False,
        may: str = PERMUTE,
    ) -> None:
        """Adds one space under its full name. Raises SpecError if there is one already."""
        if name in self.spaces:
            raise SpecError(
                f"space {short(name)!r} is declared twice",
                found=f"the first time in {self.declared[name]}",
                source=source,
                hint="leave one of the two lines, or rename one",
            )
        self.spaces[name] = Space(name, 0, within, fixed, may)
        self.declared[name] = source

    def _outer(
        self, local: str, within: str, names: Mapping[str, str], source: str, *, fixed: bool
    ) -> str:
        """Full name of the space that `local` lies within."""
        outer = names.get(within, within)
        if fixed:
            raise SpecError(
                f"{local} is fixed and lies within {within!r}",
                source=source,
                hint="leave `within` away: what is never permuted needs no place to be permuted in",
            )
        if outer not in self.spaces:
            error = self._undeclared(within, f"{local} lies within {within!r}", source, names)
            raise SpecError(
                error.what,
                found=error.found,
                source=error.source,
                hint=f"{error.hint}; the outer space stands above the inner one",
            )
        return outer

    def _given_size(self, name: str, size: str | int, source: str) -> int | None:
        """None, where the configuration need not say it, and does not."""
        try:
            value = size if isinstance(size, int) else size_of(self.config, size)
        except ValueError as error:
            value, said = 0, str(error)
        else:
            said = f"{size} = {value!r}"
        if value is not None and value < 1:
            raise SpecError(
                f"space {name!r} takes its size from the configuration field {size!r}"
                if isinstance(size, str)
                else f"space {name!r} has size {size}",
                found=said,
                source=source,
                hint="name a field that holds a number, with ? at its end if it may be absent, "
                "or {} to infer the size from the tensors",
            )
        return value

    def claim(
        self,
        table: Mapping[str, str],
        prefix: str,
        names: Mapping[str, str],
        scope: Scope,
        *,
        buffers: bool,
    ) -> None:
        """Lets the lines of one table cover the tensors they name below `prefix`."""
        for key, text in table.items():
            tensor = ".".join(filter(None, (prefix, key.removesuffix("?"))))
            source = self.family.where("buffer" if buffers else "param", key, scope)
            if tensor not in self.shapes:
                if key.endswith("?"):
                    words = re.findall(r"[A-Za-z_]\w*", text)
                    self.mentioned |= {names.get(word, word) for word in words}
                    continue
                raise SpecError(
                    f'the line "{key}" matches nothing',
                    found=f"the model has no tensor {tensor}",
                    source=source,
                    hint=f'write "{key}?" if it may be absent'
                    + nearest(tensor, [name for name in self.shapes if name not in self.lines]),
                )
            if tensor in self.lines:
                taken = self.lines[tensor]
                raise SpecError(
                    f'{tensor} {list(self.shapes[tensor])} is claimed twice, as "{text}" here',
                    found=f'"{taken.text}" in {taken.source}',
                    source=source,
                    hint="leave one of the two lines",
                )
            self.lines[tensor] = self._line(tensor, text, names, source)
            if buffers:
                self.buffers.add(tensor)

    def _line(self, tensor: str, text: str, names: Mapping[str, str], source: str) -> Line:
        shape = list(self.shapes[tensor])
        axes = self._read(text, f'{tensor} {shape} is "{text}"', names, source)
        if any(SAMPLES in axis.names() for axis in axes):
            raise SpecError(
                f'{tensor} {shape} is "{text}"',
                found="* stands for observations, which only activations have",
                source=source,
                hint="name the axis; * belongs under [watch]",
            )
        if len(axes) != len(shape):
            raise SpecError(
                f'{tensor} does not fit "{text}"',
                found=f"{len(axes)} axes are named, the tensor has {len(shape)}: {shape}",
                source=source,
                hint="one name, number or ( ) for every axis, in the tensor's order",
            )
        self._check_single(f'{tensor} {shape} is "{text}"', axes, source)
        return Line(text, axes, source)

    def _check_single(self, what: str, axes: tuple[Axis, ...], source: str) -> None:
        """A free space runs once along a tensor, but for parts laid end to end on one axis, and for
        two whole axes ("resid resid"), which go together.
        """
        seen: dict[str, int] = {}
        for number, axis in enumerate(axes):
            for name in dict.fromkeys(axis.names()):
                if self.spaces[name].fixed:
                    continue
                if name in seen and axis.name == axes[seen[name]].name == name:
                    continue
                if name in seen or composed_with_itself(axis, name):
                    where = f"axes {seen.get(name, number)} and {number}"
                    raise SpecError(
                        what,
                        found=f"{short(name)!r} twice, on "
                        + (where if name in seen else f"axis {number}"),
                        source=source,
                        hint="one permutation runs once along a tensor: give the two names of "
                        "their own, or make the space fixed",
                    )
                seen[name] = number

    def watch(
        self, table: Mapping[str, str], prefix: str, names: Mapping[str, str], scope: Scope
    ) -> None:
        """Adds the places where activations can be seen."""
        for key, text in table.items():
            source = self.family.where("watch", key, scope)
            entering, leaving = key.startswith("->"), key.endswith("->")
            module = ".".join(filter(None, (prefix, key.replace("->", "").strip())))
            if entering == leaving or not re.fullmatch(r"[\w.-]+", module):
                raise SpecError(
                    f'"{key}" is no place to watch',
                    source=source,
                    hint='"-> module" is what enters it, "module ->" is what leaves it',
                )
            what = f'watch "{key}" is "{text}"'
            axes = self._read(text, what, names, source)
            units = [axis for axis in axes if list(axis.names()) != [SAMPLES]]
            if len(units) != 1 or SAMPLES in units[0].names():
                raise SpecError(
                    what,
                    found=f"{len(units)} axes of units",
                    source=source,
                    hint='exactly one axis is named, all others are *: "* * resid"',
                )
            if (module, entering) in self.watched:
                raise SpecError(
                    f"{what}, but it is watched already",
                    found=f'"{self.watched[module, entering].text}"',
                    source=source,
                    hint="leave one of the two lines",
                )
            self._check_single(what, (units[0],), source)
            self.watched[module, entering] = Line(text, axes, source)

    def norm(self, table: Mapping[str, str], prefix: str, scope: Scope, *, centred: bool) -> None:
        """Adds the norms of one table, with the modules that read what leaves them."""
        for key, text in table.items():
            source = self.family.where("layernorm" if centred else "rmsnorm", key, scope)
            names = (key.removesuffix("?"), *text.split())
            module, *named = (".".join(filter(None, (prefix, name))) for name in names)
            if key.endswith("?") and f"{module}.weight" not in self.shapes:
                continue
            readers = [each for name in named for each in self._modules(name)]
            norm = norm_over(module, readers, self.lines, centred, source)
            self.norms.append(replace(norm, offset=self.family.gain_offset))

    def _modules(self, name: str) -> list[str]:
        """The modules with a weight that `name` stands for.

        With {} for numbers of layers: all that are so called; with ? at its end: it or none.
        """
        if name.endswith("?"):
            name = name.removesuffix("?")
            return [name] if weight_of(name, self.lines) in self.lines else []
        if "{" not in name:
            return [name]
        numbered = re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(name))
        weights = (tensor.removesuffix(".weight") for tensor in self.lines)
        return [tensor for tensor in weights if re.fullmatch(numbered, tensor)] or [name]

    def stands_behind(self, table: Mapping[str, str], prefix: str, scope: Scope) -> None:
        """Adds the norms of one table, with the layer that each of them stands behind."""
        for key, text in table.items():
            source = self.family.where("behind", key, scope)
            names = (key.removesuffix("?"), text)
            module, writer = (".".join(filter(None, (prefix, name))) for name in names)
            if key.endswith("?") and f"{module}.weight" not in self.shapes:
                continue
            norm = norm_behind(module, writer, self.lines, source)
            if norm.batch and self.family.batchnorm_eps is None:
                raise SpecError(
                    f"{module} is a batch norm",
                    found="nothing says what it adds to the variance",
                    source=source,
                    hint="batchnorm_eps = 1e-5, or whatever the model takes, above all tables",
                )
            self.behind.append(norm)

    def gate(self, table: Mapping[str, str], prefix: str, scope: Scope) -> None:
        """Adds the gates of one table, with the layer whose units each of them multiplies."""
        for key, text in table.items():
            source = self.family.where("gate", key, scope)
            names = (key.removesuffix("?"), text)
            module, beside = (".".join(filter(None, (prefix, name))) for name in names)
            if key.endswith("?") and f"{module}.weight" not in self.shapes:
                continue
            gate = gate_beside(module, beside, self.lines, source)
            self.gates.append(gate)
            if gate.space in self.scaled:  # nothing but the gate goes through the function
                self.spaces[gate.space] = replace(self.spaces[gate.space], may=SCALE)

    def tie(self, table: Mapping[str, str]) -> None:
        """Adds the tensors that are one, if the configuration says that they are."""
        for name, other in table.items() if getattr(self.config, TIES, False) else ():
            lines = [self.lines.get(tensor) for tensor in (name, other)]
            if None in lines or lines[0].axes != lines[1].axes:  # type: ignore[union-attr]
                shown = " and ".join(f'"{line.text}"' if line else "no line" for line in lines)
                raise SpecError(
                    f"{name} cannot be {other}",
                    found=f"their lines are {shown}",
                    source=self.family.where("tied", name),
                    hint="one tensor under two names has the same axes under both",
                )
            self.tied[name] = other

    def _read(
        self, text: str, what: str, names: Mapping[str, str], source: str
    ) -> tuple[Axis, ...]:
        """The axes of `text` under their full names, all of them declared."""
        try:
            axes = parse(text)
        except SpecError as error:
            raise SpecError(
                error.what, found=error.found, source=source, hint=error.hint
            ) from error
        for axis in axes:
            for name in axis.names():
                if name != SAMPLES and names.get(name, name) not in self.spaces:
                    raise self._undeclared(name, what, source, names)
        return tuple(axis.rename(names) for axis in axes)

    def _undeclared(self, name: str, what: str, source: str, names: Mapping[str, str]) -> SpecError:
        return SpecError(
            what,
            found=f"no space {name!r} is declared",
            source=source,
            hint="declare it under [space], [fixed] or the block" + nearest(name, list(names)),
        )

    def check_optional(self, block: Block, scope: Scope, copies: Sequence[str]) -> None:
        """An optional line may be absent from some copies of a block; a typo from all of them.

        Looked into once everything is covered that will be.
        """
        for table, buffers in ((block.param, "param"), (block.buffer, "buffer")):
            for key in table:
                name = key.removesuffix("?")
                if not any(f"{prefix}.{name}" in self.shapes for prefix in copies):
                    self.absent.append((key, name, self.family.where(buffers, key, scope)))

    def _suspect(self, key: str, name: str, source: str) -> None:
        """Raises SpecError if a tensor that no line covers has nearly that name."""
        for tensor in self.shapes:
            ending = ".".join(tensor.split(".")[-1 - name.count(".") :])
            if tensor not in self.lines and _similar(name, ending):
                raise SpecError(
                    f'the line "{key}" matches nothing',
                    found=f"{tensor} {list(self.shapes[tensor])} is covered by no line",
                    source=source,
                    hint=f"did you mean {ending!r}?",
                )

    def finish(self) -> Spec:
        """The spec, once nothing is missing. Raises SpecError for what is."""
        for key, name, source in self.absent:
            self._suspect(key, name, source)
        self._check_covered()
        sizes = infer_sizes(self.lines, self.shapes, self.known)
        self._check_used()
        for tensor, line in self.lines.items():
            what = f'{tensor} {list(self.shapes[tensor])} is "{line.text}"'
            check_nesting(what, line, self.spaces)
        for (module, _), line in self.watched.items():
            check_nesting(f'watch of {module} is "{line.text}"', line, self.spaces)
        spaces = {name: replace(space, size=sizes[name]) for name, space in self.spaces.items()}
        for norm in self.behind:
            if not norm.batch and spaces[norm.space].may == FLIP:  # no sign passes a layer norm
                spaces[norm.space] = replace(spaces[norm.space], may=PERMUTE)
        spaces = {name: self._settled(space) for name, space in spaces.items()}
        check_mapped(spaces, self.lines, self.norms, self.declared)
        return Spec(
            family=self.family.name,
            spaces=spaces,
            tensors={name: lay_out_axes(self.lines[name].axes, sizes) for name in self.shapes},
            buffers=frozenset(self.buffers),
            watches=tuple(
                ObservedModule(module, entering, lay_out_axes(line.axes, {**sizes, SAMPLES: 1}))
                for (module, entering), line in self.watched.items()
            ),
            source=self.family.shown_path,
            norms=tuple(self.norms),
            behind=tuple(self.behind),
            batchnorm_eps=self.family.batchnorm_eps,
            gates=tuple(self.gates),
            tied=self.tied,
        )

    def _settled(self, space: Space) -> Space:
        """The space with what ties leave of its freedom; fixed, where it has none."""
        space = replace(space, may=kind_tied(space, self.norms, self.tied))
        alone = space.within is not None and space.size == 1 and space.may == PERMUTE
        return replace(space, fixed=True) if alone else space

    def _check_covered(self) -> None:
        missing = [name for name in self.shapes if name not in self.lines]
        if missing:
            shown = "\n".join(f"{name} {list(self.shapes[name])}" for name in missing[:5])
            more = f"\nand {len(missing) - 5} more" if len(missing) > 5 else ""
            raise SpecError(
                f"{self.family.shown_path} leaves {len(missing)} tensors uncovered",
                found=shown + more,
                source=self.family.shown_path,
                hint="every parameter and buffer needs a line under [param] or [buffer]",
            )

    def _check_used(self) -> None:
        """Raises: SpecError for a space on no axis; one of a block needs an axis in some copy.

        A line that some models lack is enough.
        """
        used = {n for line in self.lines.values() for axis in line.axes for n in axis.names()}
        somewhere = {self.declared[name] for name in used}
        somewhere |= {self.declared[name] for name in self.mentioned & self.declared.keys()}
        for name in [*self.spaces]:
            if name in used:
                continue
            if self.declared[name] not in somewhere:
                raise SpecError(
                    f"space {short(name)!r} is declared but on no axis",
                    source=self.declared[name],
                    hint="remove it, or use its name in a line",
                )
            del self.spaces[name]


def nearest(name: str, candidates: Collection[str]) -> str:
    """'; did you mean ...?' if one of `candidates` is close to `name`."""
    close = get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _similar(left: str, right: str) -> bool:
    same_numbers = re.findall(r"\d+", left) == re.findall(r"\d+", right)
    return same_numbers and SequenceMatcher(None, left, right).ratio() > 0.8
