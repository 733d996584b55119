"""Prints figures about the structure of the code, measured from the source by static analysis.

`python tools/structure.py [ROOT] [--json | --check]` reads the repository at ROOT, by default this
one. `hubmerge` and `spaces_app` are parsed, never imported; the figures about words also
read the other folders of `TEXT_FOLDERS`.

A module's floor is 1 + the highest floor of the modules it imports, 0 if there are none. Imports
count at any depth, under `TYPE_CHECKING` too, and lead to the module they name; one that closes a
cycle adds nothing to the floor.

The walk of `run` is what a reader follows who wants to know what becomes of the recipe:

- It starts at the function `run` of `hubmerge/pipeline/run.py`, or of `hubmerge/pipeline.py`.
- Carriers are the class `Recipe` and every class that has a field of such a type (`Run`, say). A
  value carries if it is annotated with a carrier or comes from a call that makes or returns one.
- A call is followed if it hands on such a value or is a method of it, and leads to a function of
  the package: depth first, in the order of evaluation, as often as it occurs, but not into a
  function that is still being read. A function handed over along with such a value, as to
  `partial`, counts as called; a lambda or inner function is read where it is written.
- Each function entered is a stop. Each step from one stop to the next that leads to a higher floor
  is a climb: the reader turns back. (When a function has been read, the next stop is whatever its
  caller calls next; that counts as a climb only if it lies higher than the last function read.)

With `--check`, figures that grow as code decays are held to `LIMITS`, and nothing else is printed.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

PACKAGES = ("hubmerge", "spaces_app")
TEXT_FOLDERS = (*PACKAGES, "model_specs", "tests", "benchmarks", "docs", "tools")
TEXT_ENDINGS = frozenset({".py", ".md", ".toml", ".jinja", ".html", ".css"})
NOT_READ = frozenset({"CHANGELOG.md", "tools/structure.py"})  # history; the list of words itself
MOST_FIELDS, MOST_PASSED_ON, MOST_LINES, MOST_CLIMBS = 8, 6, 15, 10
LIMITS = {
    "climbs of the walk of run": MOST_CLIMBS,
    f"functions with more than {MOST_PASSED_ON} parameters only passed on": 0,
    f"constructors with more than {MOST_FIELDS} values by position": 0,
    "import cycles": 0,
}
OPTIONS = ("learning_steps", "text_column")
TASKS = (
    r"\b(LANGUAGE|FEATURES|CLASSIFICATION|task_of)\b"
    r"""|["'][a-z-]+-(classification|generation|extraction)["']"""
)
EXAMPLES = {"matcher": "transport", "fusion": "model_stock", "family": "resnet"}
# fmt: off
HOUSE_WORDS = (
    "everybody", "nobody", "somebody", "whoever", "told", "tell", "tells", "Story", "Ground",
    "Contest", "Standing", "Bench", "Judge", "Lessons", "Pace", "Freedom", "Sight", "Walk", "Place",
    "Desk", "Crew", "nursery", "lent", "universe", "the house", "corridor", "room", "rooms",
    "manner", "first to its last breath", "shelf", "ledger", "letters", "lineup", "basin",
)
# fmt: on
"""Whole words and identifiers. Those in lower case are found in any case."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Definition:
    """A function or class of a module."""

    module: str
    node: Function | ast.ClassDef


class Source:
    """The parsed packages: what is defined, what names stand for, which module imports which."""

    def __init__(self, root: Path) -> None:
        self.paths: dict[str, PurePath] = {}
        self.bound: dict[str, dict[str, str | Definition]] = {"": {}}
        self.edges: dict[str, set[str]] = {}
        self.functions: list[Definition] = []
        self.classes: list[Definition] = []
        self.owners: dict[ast.AST, Definition] = {}
        for path in sorted(path for each in PACKAGES for path in (root / each).rglob("*.py")):
            within = path.relative_to(root)
            name = ".".join(within.with_suffix("").parts).removesuffix(".__init__")
            self.paths[name], self.bound[name], self.edges[name] = within, {}, set()
            tree = ast.parse(path.read_text(encoding="utf-8"), str(within))
            for node in ast.walk(tree):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    self._import(name, node)
                elif isinstance(node, Function):
                    self.functions.append(Definition(name, node))
                elif isinstance(node, ast.ClassDef):
                    self.classes.append(Definition(name, node))
                    self.owners |= dict.fromkeys(node.body, self.classes[-1])
            for node in tree.body:
                if isinstance(node, Function | ast.ClassDef):
                    self.bound[name][node.name] = Definition(name, node)
        for name, targets in self.edges.items():
            self.edges[name] = {self._home(each) for each in targets} - {"", name}

    def _import(self, module: str, node: ast.Import | ast.ImportFrom) -> None:
        base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        for each in node.names:
            self.edges[module].add(base + each.name)
            first = each.name.partition(".")[0]
            self.bound[module][each.asname or first] = base + (each.name if each.asname else first)

    def _home(self, dotted: str) -> str:
        """The module an import leads to, "" outside of the packages."""
        while dotted and dotted not in self.paths:
            dotted = dotted.rpartition(".")[0]
        return dotted

    def find(self, module: str, dotted: str, deep: int = 9) -> str | Definition | None:
        """What a name in `module` stands for, through re-exports: a module or a definition."""
        first, _, rest = dotted.partition(".")
        inner, bound = f"{module}.{first}".lstrip("."), self.bound[module].get(first)
        found: str | Definition | None = inner if inner in self.paths else None
        if isinstance(bound, Definition):
            found = bound
        elif bound not in (None, inner) and deep and not (found and rest):
            found = self.find("", str(bound), deep - 1)
        if isinstance(found, Definition) and rest:
            return self.method(found, rest)
        return self.find(found, rest, deep) if isinstance(found, str) and rest else found

    def line(self, made: Definition) -> Iterator[tuple[str, Definition | None]]:
        """A class and those it inherits from: the name, and the class if it is of the packages."""
        yield made.node.name, made
        for base in made.node.bases if isinstance(made.node, ast.ClassDef) else ():
            name = ast.unparse(base).partition("[")[0]
            found = self.find(made.module, name)
            if isinstance(found, Definition) and found != made:
                yield from self.line(found)
            else:
                yield name.rpartition(".")[2], None

    def method(self, made: Definition, name: str) -> Definition | None:
        """The method of a class that is called `name`."""
        for each in (each for _, each in self.line(made) if each):
            for node in each.node.body if isinstance(each.node, ast.ClassDef) else ():
                if isinstance(node, Function) and node.name == name:
                    return Definition(each.module, node)
        return None

    def at(self, made: Definition) -> str:
        """Where a definition stands."""
        return f"{self.paths[made.module]}:{made.node.lineno} {made.node.name}"


def parameters(node: Function) -> list[ast.arg]:
    """All parameters but for *args and **kwargs."""
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def given(call: ast.Call, *, whole: bool = False) -> list[ast.expr]:
    """What a call hands over; with `whole`, also what it is a method of."""
    on = [call.func.value] if whole and isinstance(call.func, ast.Attribute) else []
    return [*on, *call.args, *(each.value for each in call.keywords)]


class Walk:
    """The walk of `run`, see above. stops: each function entered, with its floor.

    In its methods, `names` are those a function binds, and whether the value of each carries.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.floors = source, dict[str, int]()
        self.carriers = {each for each in source.classes if each.node.name == "Recipe"}
        self.fields: set[str] = set()
        while more := {each for each in source.classes if self._holds(each)} - self.carriers:
            self.carriers |= more
        self.stops: list[tuple[str, int]] = []
        place = "hubmerge.pipeline.run"
        start = source.find("", f"{place}.run" if place in source.paths else place)
        if not isinstance(start, Definition):
            raise SystemExit("hubmerge/pipeline.py and hubmerge/pipeline/run.py hold no `run`")
        self._enter(start, ())

    def floor(self, module: str) -> int:
        """The floor of a module."""
        if module not in self.floors:
            self.floors[module] = 0
            below = map(self.floor, sorted(self.source.edges[module]))
            self.floors[module] = 1 + max(below, default=-1)
        return self.floors[module]

    def _is_carrier(self, module: str, annotation: ast.AST | None) -> bool:
        names = re.findall(r"[A-Za-z_][\w.]*", ast.unparse(annotation)) if annotation else ()
        return any(self.source.find(module, name) in self.carriers for name in names)

    def _holds(self, made: Definition) -> bool:
        lines = (line for line in made.node.body if isinstance(line, ast.AnnAssign))
        fields = [line for line in lines if self._is_carrier(made.module, line.annotation)]
        own = {ast.unparse(line.target) for line in fields}
        self.fields |= own
        return bool(own) or any(each in self.carriers for _, each in self.source.line(made))

    def _enter(self, at: Definition, reading: tuple[ast.AST, ...]) -> None:
        if at.node in reading or not isinstance(at.node, Function):
            return
        self.stops.append((self.source.at(at), self.floor(at.module)))
        inside = list(ast.walk(at.node))
        names = {each.arg: False for each in inside if isinstance(each, ast.arg)}
        for each in (each for each in inside if isinstance(each, ast.Name)):
            if isinstance(each.ctx, ast.Store):
                names[each.id] = False
        for arg in parameters(at.node):
            names[arg.arg] = self._is_carrier(at.module, arg.annotation)
        if self.source.owners.get(at.node) in self.carriers:
            names["self"] = True
        steps = [each for each in inside if isinstance(each, ast.Assign | ast.Call)]
        for step in sorted(steps, key=lambda each: (each.end_lineno, each.end_col_offset)):
            if isinstance(step, ast.Assign):
                if self._carries(at.module, names, step.value):
                    names |= dict.fromkeys(map(ast.unparse, step.targets), True)
            elif any(self._carries(at.module, names, each) for each in given(step, whole=True)):
                handed = [each for each in given(step) if isinstance(each, ast.Name)]
                for node in (step.func, *handed):
                    found = self._named(at.module, names, node)
                    if found and isinstance(found.node, ast.ClassDef):
                        found = self.source.method(found, "__init__")
                    if found:
                        self._enter(found, (*reading, at.node))

    def _carries(self, module: str, names: Mapping[str, bool], node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr in self.fields and self._carries(module, names, node.value)
        if isinstance(node, ast.Lambda):
            return self._carries(module, names, node.body)
        if not isinstance(node, ast.Call):
            return isinstance(node, ast.Name) and names.get(node.id, False)
        if (found := self._named(module, names, node.func)) is not None:
            returned = getattr(found.node, "returns", None)
            return found in self.carriers or self._is_carrier(found.module, returned)
        copied = ast.unparse(node.func).endswith(("copy", "replace"))
        whole = [each for each in given(node, whole=True) if copied or isinstance(each, ast.Lambda)]
        return any(self._carries(module, names, each) for each in whole)

    def _named(self, module: str, names: Mapping[str, bool], node: ast.AST) -> Definition | None:
        """The function or class that an expression names."""
        if isinstance(node, ast.Attribute) and self._carries(module, names, node.value):
            owners = [each for each in self.source.classes if each in self.carriers]
            return next(filter(None, (self.source.method(at, node.attr) for at in owners)), None)
        name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        known = name and name.partition(".")[0] not in names
        found = self.source.find(module, name) if known else None
        return found if isinstance(found, Definition) else None


def passed_on(source: Source) -> list[tuple[int, str, str]]:
    """For each function, the parameters it only hands on, as they are, to calls of the package.

    A call of a builtin or of what is imported from elsewhere, but for `partial`, reads them. The
    signature of a fusion declares its options and is left out.
    """
    functions = []
    for each in source.functions:
        assert isinstance(each.node, Function)
        if "fusion(" in "".join(map(ast.unparse, each.node.decorator_list)):
            continue
        handed: Counter[str] = Counter()
        for call in (node for node in ast.walk(each.node) if isinstance(node, ast.Call)):
            first = ast.unparse(call.func).partition(".")[0]
            foreign = first in source.bound[each.module] and not source.find(each.module, first)
            if first == "partial" or not (foreign or hasattr(builtins, first)):
                bare = [at.value if isinstance(at, ast.Starred) else at for at in given(call)]
                handed.update(at.id for at in bare if isinstance(at, ast.Name))
        used = Counter(at.id for at in ast.walk(each.node) if isinstance(at, ast.Name))
        names = [at.arg for at in parameters(each.node) if used[at.arg] == handed[at.arg] > 0]
        functions.append((len(names), source.at(each), ", ".join(names)))
    return sorted(functions, key=lambda each: (-each[0], each[1]))


def constructors(source: Source) -> list[tuple[int, str, str]]:
    """How many values each class takes by position, where it stands and of what kind it is.

    Pydantic's models take none.
    """
    found = []
    for each in source.classes:
        line, init = dict(source.line(each)), source.method(each, "__init__")
        fields = {name for base in line.values() if base for name in _fields(base.node)}
        if "NamedTuple" in line:
            found.append((len(fields), source.at(each), "NamedTuple"))
        elif "BaseModel" not in line and init and isinstance(init.node, Function):
            count = len([*init.node.args.posonlyargs, *init.node.args.args]) - 1
            found.append((count, source.at(each), "__init__"))
        elif "dataclass" in "".join(map(ast.unparse, each.node.decorator_list)):
            found.append((len(fields), source.at(each), "dataclass"))
    return sorted(found, key=lambda each: (-each[0], each[1]))


def _fields(node: Function | ast.ClassDef) -> Iterator[str]:
    """The fields that a class itself takes by position."""
    if "kw_only=True" in "".join(map(ast.unparse, node.decorator_list)):
        return
    for line in (line for line in node.body if isinstance(line, ast.AnnAssign)):
        if "KW_ONLY" in ast.unparse(line):
            return
        if not re.search(r"\bClassVar\b|\binit=False|\bkw_only=True", ast.unparse(line)):
            yield ast.unparse(line.target)


def import_cycles(edges: Mapping[str, set[str]]) -> dict[str, Any]:
    """The groups of nodes each of which leads to each; the pairs that import each other."""
    reach = {node: set(to) for node, to in edges.items()}
    for middle in reach:
        for node in reach:
            if middle in reach[node]:
                reach[node] |= reach[middle]
    groups = {tuple(sorted(to for to in reach[at] if at in reach[to])) for at in reach} - {()}
    pairs = sorted(f"{a} <-> {b}" for a in edges for b in edges[a] if a < b and a in edges[b])
    return {"groups": [(len(group), *group) for group in sorted(groups)], "direct pairs": pairs}


def place_edges(source: Source, *, beside: bool) -> dict[str, set[str]]:
    """The imports between folders or, `beside`, between the files and folders of each folder."""
    edges: dict[str, set[str]] = defaultdict(set)
    for name, targets in source.edges.items():
        for to in targets:
            one, other = (source.paths[each].with_suffix("").parts for each in (name, to))
            shared = next(at for at in range(99) if one[at] != other[at])
            end = shared + 1 if beside else -1
            here, there = "/".join(one[:end]), "/".join(other[:end])
            edges[here] |= {there} - {here}
            edges[there] |= set()
    return edges


def texts_in(root: Path) -> dict[str, str]:
    """The text files by path; at the root, README.md and its like alone."""
    found = [path for each in TEXT_FOLDERS for path in sorted((root / each).rglob("*"))]
    texts = {}
    for path in (*sorted(root.glob("*.md")), *found):
        name = path.relative_to(root).as_posix()
        if path.suffix in TEXT_ENDINGS and name not in NOT_READ:
            texts[name] = path.read_text(encoding="utf-8")
    return texts


def files_that_name(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """The source files that name an option, a task or, but for its own, an example of a kind."""

    def found(pattern: str, *folders: str) -> list[str]:
        sources = (each for each in texts if each.startswith(folders) and not each.endswith(".md"))
        return [each for each in sources if re.search(pattern, texts[each])]

    files = {f"option {name}": found(rf"\b{name}\b", *PACKAGES) for name in OPTIONS}
    files["task"] = found(TASKS, *PACKAGES)
    for kind, name in EXAMPLES.items():
        for where, folders in (("code", (*PACKAGES, "model_specs")), ("tests", ("tests",))):
            named = found(rf"\b{name.replace('_', '[-_]')}\b", *folders)
            files[f"{kind} {name}, {where}"] = [at for at in named if Path(at).stem != name]
    return files


def house_words(texts: Mapping[str, str]) -> list[tuple[int, str]]:
    """How often each of the house words occurs, the most frequent first."""
    counts = []
    for word in HOUSE_WORDS:
        found = re.compile(r"\b" + r"\s+".join(word.split()) + r"\b", re.I * word.islower())
        counts.append((sum(len(found.findall(text)) for text in texts.values()), word))
    return sorted(counts, reverse=True)


def figures(root: Path) -> dict[str, Any]:
    """All figures of the repository at `root`."""
    source, texts = Source(root), texts_in(root)
    walk, passed, made = Walk(source), passed_on(source), constructors(source)
    words = house_words(texts)
    files = Counter(path.name for path in source.paths.values() if path.name != "__init__.py")
    classes = defaultdict(list)
    for each in source.classes:
        classes[each.node.name].append(str(source.paths[each.module]))
    return {
        "root modules": len(list((root / "hubmerge").glob("*.py"))),
        "walk of run": {
            "stops": len(walk.stops),
            "different functions": len({name for name, _ in walk.stops}),
            "climbs": [f"{a} -> {b}" for (a, low), (b, high) in pairwise(walk.stops) if low < high],
        },
        "parameters only passed on": {
            f"more than {MOST_PASSED_ON}": sum(count > MOST_PASSED_ON for count, *_ in passed),
            "most": passed[:10],
        },
        "constructors": {
            f"more than {MOST_FIELDS} by position": [at for at in made if at[0] > MOST_FIELDS],
            "named tuples": [at for at in made if at[2] == "NamedTuple"],
        },
        "files that name": files_that_name(texts),
        "house words": {"total": sum(count for count, _ in words), "most": words},
        "import cycles": {
            "modules": import_cycles(source.edges),
            "what lies side by side in a folder": import_cycles(place_edges(source, beside=True)),
            "folders": import_cycles(place_edges(source, beside=False)),
        },
        "file names used more than twice": [(n, at) for at, n in files.most_common() if n > 2],
        "class names used more than once": [
            (len(at), name, *at) for name, at in sorted(classes.items()) if len(at) > 1
        ],
    }


def held(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """What each of `LIMITS` limits, as it stands in the code."""
    made = found["constructors"][f"more than {MOST_FIELDS} by position"]
    cycles = found["import cycles"]["modules"]
    handed = found["parameters only passed on"]["most"]
    lists = (
        found["walk of run"]["climbs"],
        [" ".join(map(str, each)) for each in handed if each[0] > MOST_PASSED_ON],
        [" ".join(map(str, each)) for each in made if each[2] != "NamedTuple"],
        [*map(str, cycles["groups"]), *cycles["direct pairs"]],
    )
    return dict(zip(LIMITS, lists, strict=True))


def broken(found: Mapping[str, Any]) -> Iterator[str]:
    """One line for each limit that does not hold, and what is over it."""
    for name, places in held(found).items():
        if len(places) > LIMITS[name]:
            yield f"{name}: {len(places)}, of which {LIMITS[name]} are allowed"
            yield from (f"    {place}" for place in places)


def lines(found: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """The figures as text: of a list, its length and its first entries."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from lines(value, indent + "  ")
            continue
        yield f"{indent}{name}: {len(value) if isinstance(value, list) else value}"
        for each in value[:MOST_LINES] if isinstance(value, list) else ():
            yield f"{indent}    {each if isinstance(each, str) else '  '.join(map(str, each))}"


def main() -> None:
    """Prints the figures, as text or as JSON, or what is over a limit, and then exits with 1."""
    parser = argparse.ArgumentParser(description="prints figures about the structure of the code")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    found = figures(asked.root)
    if asked.check:
        over = list(broken(found))
        print("\n".join(over))
        raise SystemExit(bool(over))
    print(json.dumps(found, indent=2) if asked.json else "\n".join(lines(found)))


if __name__ == "__main__":
    main()
