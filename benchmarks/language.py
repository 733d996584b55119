"""Do two language models that were trained apart merge?

    python benchmarks/language.py [--family gpt2 llama] [--course full] [--store FOLDER]

Two GPT-2-like and two Llama-like models learn the source code of transformers from different seeds.
They are averaged as they are, matched by permutations, by every symmetry of the family, and by
learning; refitted by least squares, in all layers and in the last ones; and the better of these by
validation texts is refined, as parent A is by the same rows and steps. Shown beside the parents,
their ensemble and a bigram model: loss in nats per token on texts of files that nothing was
trained, matched or chosen on, as it is and after one temperature each, both also against the mean
of the parents; and the processor time that each took, what it starts from not counted.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import common
import language_models
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from hubmerge.fuse import find_fusion
from hubmerge.matching import Match, find_matcher, find_method, measure_moments
from hubmerge.matching.aligned import aligned
from hubmerge.models.method_context import MethodContext
from hubmerge.models.token_outputs import IGNORED, TokenOutputs, figures_of
from hubmerge.recipe.effort import EFFORTS
from hubmerge.refine import distill, lessons
from hubmerge.specs.spec import SCALES, Spec
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import State
from hubmerge.utils.checkpoint_store import CheckpointStore
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers

CALIBRATION, REFINED, VALIDATION, TESTED = 1000, 2000, 150, 300
"""Blocks that are matched and fitted on, that are learned from, that choose, and that report."""
AT_ONCE = 50
REFINE_STEPS = EFFORTS["standard"].refine_steps
HEADINGS = ("contender", "loss", "against parents", "calibrated", "against parents", "CPU s")


@dataclass(frozen=True)
class Blocks:
    """Some blocks of tokens, int64 [rows, tokens]."""

    tokens: Tensor

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """As a model takes them."""
        return {"input_ids": self.tokens}

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Score:
    """Mean loss of a token in nats on test texts, as it is and after a temperature fitted on
    validation texts."""

    loss: float
    calibrated: float


Say = Callable[[Tensor], Tensor]
"""Blocks -> logits."""


class Bench:
    """One pair, the rows it is merged by, and how what is made of it is measured."""

    def __init__(self, folders: list[Path], course: language_models.Course, store: Path) -> None:
        self.course, self.store = course, store
        self.models = [AutoModelForCausalLM.from_pretrained(each).eval() for each in folders]
        self.states: list[State] = [model.state_dict() for model in self.models]
        self.workers = Workers(threads=1)
        self.validation = self.blocks("validation", VALIDATION)
        self.tested = self.blocks("test", TESTED)

    @cached_property
    def spec(self) -> Spec:
        return spec_of(self.models[0]).allowing(SCALES)

    def blocks(self, split: str, most: int) -> Tensor:
        """Texts end to end, cut."""
        return language_models.blocks(self.course, split)[:most]

    def context(
        self, rows: int, spec: Spec | None = None, steps: int | None = None
    ) -> MethodContext:
        """What methods may look at."""
        shown, watched = (
            [Blocks(part) for part in tokens.split(100)]
            for tokens in (self.blocks("train", rows), self.validation)
        )
        scratch, kept = copy.deepcopy(self.models[0]), CheckpointStore(self.store / "unfinished")
        return MethodContext(spec, scratch, shown, self.workers, watched, kept, steps)

    def score(self, said: Say) -> Score:
        """Of anything that says logits."""
        watched, tested = (_outputs(said, rows) for rows in (self.validation, self.tested))
        best = watched.fitted_temperature()
        return Score(*(float(tested.losses(t).mean()) for t in (1.0, best)))

    def watched_loss(self, said: Say) -> float:
        """Calibrated, on validation texts."""
        watched = _outputs(said, self.validation)
        return float(watched.losses(watched.fitted_temperature()).mean())

    def holding(self, state: State) -> Say:
        """The model with these tensors."""
        model = copy.deepcopy(self.models[0])
        model.load_state_dict(dict(state))
        return _says(model)

    def ensemble(self, tokens: Tensor) -> Tensor:
        """The mean of the parents' predictions."""
        each = [_says(model)(tokens).log_softmax(-1) for model in self.models]
        return torch.stack(each).logsumexp(0)


def _says(model: PreTrainedModel) -> Say:
    def say(tokens: Tensor) -> Tensor:
        with torch.no_grad():
            return model(input_ids=tokens).logits

    return say


def _outputs(said: Say, rows: Tensor) -> TokenOutputs:
    following = torch.full_like(rows, IGNORED)
    following[:, :-1] = rows[:, 1:]
    parts = zip(rows.split(AT_ONCE), following.split(AT_ONCE), strict=True)
    figures = torch.cat([figures_of(said(some), wanted) for some, wanted in parts])
    return TokenOutputs(figures.numpy(), following.numpy())


def average(states: list[State]) -> dict[str, Tensor]:
    """What lies half-way."""
    return {name: (value + states[1][name]) / 2 for name, value in states[0].items()}


def found_by(bench: Bench, method: str, spec: Spec, steps: int | None = None) -> Match:
    """A match of the pair."""
    matcher = find_method(method)
    spec, (a, b) = spec.unflipped, bench.states
    context = bench.context(CALIBRATION if steps is None else REFINED, spec, steps)
    if steps is not None:
        return matcher.function(spec, a, b, context=context)
    moments = measure_moments(spec, *bench.models, context.batches, bench.workers)
    return find_matcher(method).function(spec, a, b, moments=moments)


def brought(bench: Bench, match: Match) -> list[State]:
    """Both models in A's coordinates, aligned."""
    moved = [each.state for each in aligned(bench.states, [match])]
    return [{name: value.float() for name, value in state.items()} for state in moved]


def contenders(bench: Bench, options: argparse.Namespace) -> Iterator[tuple[str, Say]]:
    """Everything that is compared, under its name; merges after what they start from."""
    for letter, model in zip("AB", bench.models, strict=True):
        yield f"parent {letter}", _says(model)
    yield "ensemble", bench.ensemble
    yield "naive average", bench.holding(average(bench.states))
    yield (
        "permutations, average",
        _merged(bench, "activations-weights", bench.spec.permutations_only),
    )
    match = found_by(bench, "activations-weights", bench.spec)
    states = brought(bench, match)
    yield "every symmetry, average", bench.holding(average(states))
    fitted: list[State] = []
    for fuse in ("least-squares", "late-least-squares"):
        made = find_fusion(fuse).make(states, (0.5, 0.5), bench.context(CALIBRATION))
        fitted.append(made.state)
        yield f"every symmetry, {fuse}", bench.holding(made.state)
    context = bench.context(REFINED)
    sampler = lessons(bench.states, context, 0)
    better = min(fitted, key=lambda state: bench.watched_loss(bench.holding(state)))
    starts = {"the better of both, refined": better, "parent A refined": bench.states[0]}
    for name, start in starts.items():
        steps = options.refine_steps
        found = distill(start, bench.states, context, steps=steps, sampler=sampler)
        yield name, bench.holding(found.state)
    match = found_by(bench, "learned", bench.spec, options.learning_steps)
    yield "learned, average", bench.holding(average(brought(bench, match)))


def _merged(bench: Bench, method: str, spec: Spec) -> Say:
    return bench.holding(average(brought(bench, found_by(bench, method, spec))))


def measured(bench: Bench, options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """The table's lines."""
    bigram = language_models.bigram_loss(bench.course, bench.tested)
    yield ("bigram model", f"{bigram:.3f}", *("–",) * 4)
    parents: list[Score] = []
    start = time.process_time()
    for name, said in contenders(bench, options):
        seconds = time.process_time() - start
        score = bench.score(said)
        is_parent = len(parents) < 2
        parents += [score] if is_parent else []
        cells = []
        for kind in ("loss", "calibrated"):
            value = getattr(score, kind)
            mean = sum(getattr(parent, kind) for parent in parents) / len(parents)
            cells += [f"{value:.3f}", "–" if is_parent else f"{value - mean:+.3f}"]
        line = (name, *cells, f"{seconds:.0f}")
        print(*line, sep=", ", file=sys.stderr, flush=True)
        yield line
        start = time.process_time()


def main() -> None:
    """Prints one table for each family."""
    parser = common.arguments(__doc__)
    parser.add_argument(
        "--family",
        nargs="+",
        choices=language_models.FAMILIES,
        default=list(language_models.FAMILIES),
    )
    parser.add_argument("--course", choices=language_models.COURSES, default="full")
    parser.add_argument("--store", type=Path, help="where what was trained is kept")
    parser.add_argument("--learning-steps", type=int, default=600)
    parser.add_argument("--refine-steps", type=int, default=REFINE_STEPS)
    options = parser.parse_args()
    if options.quick:
        options.course, options.learning_steps, options.refine_steps = "quick", 2, 2
    be_quiet()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    print(common.machine())
    course = language_models.COURSES[options.course]
    with tempfile.TemporaryDirectory() as temporary:
        store = options.store or Path(temporary)
        for family in options.family:
            folders = [language_models.language_model(store, family, s, course) for s in (1, 2)]
            bench = Bench(folders, course, store)
            count = sum(value.numel() for value in bench.models[0].parameters())
            print(f"{family}: {count:,} parameters")
            common.show(HEADINGS, measured(bench, options))


if __name__ == "__main__":
    main()
