"""What it gains to turn queries and keys under rotary positions, not only what else is free.

    python benchmarks/rotary.py

Pairs of small Llamas learn from different seeds what follows what: every token depends on two
before it, by a table drawn once. Each pair is aligned by weights and by activations, with
permutations alone, with everything but the complex factors of queries and keys, and with
everything; shown is the loss of the average on unseen texts, in nats per token.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import common
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from hubmerge.matching import Match, find_matcher, measure_moments
from hubmerge.specs.spec import PERMUTE, ROTARY, SCALES, Spec
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers

TOKENS, LENGTH, LIKELY = 16, 24, 3
"""Words there are, words in a text, and words that are likely after any two."""
PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7))
KEYS = (2, 4)
"""Keys that four queries ask: each two of them one, or each its own."""
METHODS = ("weights", "activations")
STEPS, QUICK_STEPS, ROWS, RATE = 600, 5, 32, 4e-3


@dataclass(frozen=True)
class Texts:
    """One batch of texts."""

    inputs: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.inputs["input_ids"])


def texts(count: int, seed: int) -> Tensor:
    """[count, LENGTH]: a second-order Markov chain's words, by the same table for every seed."""
    table = torch.randint(TOKENS, (TOKENS, TOKENS, LIKELY), generator=_generator(0))
    generator = _generator(seed)
    words = torch.randint(TOKENS, (count, LENGTH), generator=generator)
    choice = torch.randint(LIKELY, (count, LENGTH), generator=generator)
    stray = torch.rand(count, LENGTH, generator=generator) < 0.1
    for k in range(2, LENGTH):
        likely = table[words[:, k - 2], words[:, k - 1], choice[:, k]]
        words[:, k] = torch.where(stray[:, k], words[:, k], likely)
    return words


def llama(keys: int, seed: int, steps: int) -> PreTrainedModel:
    """Trained on texts of its own."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=TOKENS,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=keys,
            intermediate_size=96,
            max_position_embeddings=LENGTH,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for step in range(steps):
        rows = texts(ROWS, 1_000_000 * (seed + 1) + step)
        optimiser.zero_grad()
        model(input_ids=rows, labels=rows).loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def freedoms(spec: Spec) -> Iterator[Spec]:
    """Permutations alone; everything but the factors of queries and keys; everything."""
    yield spec.permutations_only
    kept = {
        name: replace(space, may=PERMUTE, fixed=True) if space.may == ROTARY else space
        for name, space in spec.spaces.items()
    }
    yield replace(spec, spaces=kept)
    yield spec


def averaged(match: Match, a: PreTrainedModel, b: PreTrainedModel) -> PreTrainedModel:
    """What lies half-way once B is aligned."""
    first, last = match.anchored(a.state_dict()), match.apply(b.state_dict())
    middle = copy.deepcopy(a)
    middle.load_state_dict({name: (first[name] + last[name]) / 2 for name in first})
    return middle


def loss(model: PreTrainedModel) -> float:
    """In nats per token, on texts that were not trained on."""
    rows = texts(500, 1)
    with torch.inference_mode():
        return float(model(input_ids=rows, labels=rows).loss)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def main() -> None:
    """Prints one table, a row per pair and matcher."""
    options = common.arguments(__doc__).parse_args()
    be_quiet()
    torch.set_num_threads(1)
    print(common.machine())
    steps, pairs = (QUICK_STEPS, PAIRS[:1]) if options.quick else (STEPS, PAIRS)
    seen = [Texts({"input_ids": rows}) for rows in texts(200, 2).split(20)]
    workers, rows = Workers(threads=1), []
    for keys in KEYS:
        for seeds in pairs:
            a, b = (llama(keys, seed, steps) for seed in seeds)
            parents = (loss(a) + loss(b)) / 2
            for method in METHODS:
                matcher = find_matcher(method)
                losses = []
                for spec in freedoms(spec_of(a).allowing(SCALES)):
                    moments = None
                    if matcher.needs_data:
                        moments = measure_moments(spec, a, b, seen, workers)
                    found = matcher.function(spec, a.state_dict(), b.state_dict(), moments=moments)
                    losses.append(loss(averaged(found, a, b)))
                cells = (f"{value:.4f}" for value in (parents, *losses))
                rows.append((f"{keys} keys", "{} and {}".format(*seeds), method, *cells))
    headings = ("4 queries", "seeds", "matcher", "parents", "permuted", "all but turns", "all")
    common.show(headings, rows)


if __name__ == "__main__":
    main()
