"""The TOML that a person would have written."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hubmerge.derivation.sheet import Part, Sheet, SpaceEntry


def write(sheet: Sheet, *, small: bool = False) -> str:
    """The spec as a file. small: with the sizes of the twin, where sizes are numbers."""
    lines = [f"# {comment}" if comment else "#" for comment in sheet.comments]
    if sheet.batchnorm_eps is not None:
        lines += ["", f"batchnorm_eps = {sheet.batchnorm_eps!r}"]
    lines += ["", "[match]", f"model_type = {_quoted(sheet.model_type)}"]
    lines.append(f"architectures = [[{_quoted(sheet.architecture)}]]")
    shared = sheet.shared
    for table, fixed in (("fixed", True), ("space", False)):
        entries = {n: e for n, e in shared.spaces.items() if e.fixed == fixed}
        if entries:
            lines += ["", f"[{table}]"]
            lines += _aligned({n: _declared(e, small) for n, e in _nested(entries).items()})
    if sheet.tied:
        lines += ["", "[tied]", *_aligned({_quoted(k): _quoted(v) for k, v in sheet.tied.items()})]
    lines += _tables(shared, "")
    for part in sheet.parts[1:]:
        lines += ["", "[[block]]", f"at = {_quoted(part.at)}"]
        if part.when:
            asked = ", ".join(f"{_quoted(k)} = {json.dumps(v)}" for k, v in part.when.items())
            lines.append(f"when = {{ {asked} }}")
        declared = {
            f"{'fixed' if entry.fixed else 'space'}.{name}": _declared(entry, small)
            for name, entry in _nested(part.spaces).items()
        }
        lines += _aligned(declared)
        lines += _tables(part, "block.")
    return "\n".join(lines) + "\n"


def _tables(part: Part, prefix: str) -> list[str]:
    lines: list[str] = []
    for table, buffers in (("param", False), ("buffer", True)):
        rows = {
            _quoted(f"{name}?" if name in part.optional else name): _quoted(part.text(name))
            for name in part.lines
            if (name in part.buffers) == buffers
        }
        if rows:
            lines += ["", f"[{prefix}{table}]", *_aligned(rows)]
    for table in ("layernorm", "rmsnorm", "behind", "gate", "watch"):
        rows = {_quoted(k): _quoted(v) for k, v in getattr(part, table).items()}
        if rows:
            lines += ["", f"[{prefix}{table}]", *_aligned(rows)]
    return lines


def _nested(entries: Mapping[str, SpaceEntry]) -> dict[str, SpaceEntry]:
    """Outer spaces above those within them."""
    order = sorted(entries, key=lambda name: entries[name].within in entries)
    return {name: entries[name] for name in order}


def _declared(entry: SpaceEntry, small: bool) -> str:
    size = entry.small if small and isinstance(entry.size, int) else entry.size
    fields = {
        key: value
        for key, value in (("size", size), ("within", entry.within), ("may", entry.may))
        if value is not None
    }
    if not entry.seen and not entry.fixed:
        fields["seen"] = False
    if set(fields) <= {"size"}:
        return json.dumps(fields["size"]) if fields else "{}"
    return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in fields.items()) + " }"


def _aligned(rows: Mapping[str, str]) -> list[str]:
    width = max(map(len, rows), default=0)
    return [f"{key:<{width}} = {value}" for key, value in rows.items()]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
