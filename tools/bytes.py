"""Does a change to hubmerge change the bytes of merges? The same recipe gives the same sha256.

    python tools/bytes.py record FILE.json     before the change
    python tools/bytes.py compare FILE.json    after it; exit code 1 where anything differs

Makes tiny models of every family and tiny data from fixed seeds, merges them in this process by
every matcher, fusion, repair and way for several models, and takes the sha256 of every weights
file. FILE.json maps the name of each case to the hashes of its files. The cases `models/KIND` are
the parents themselves: where they differ, the machine or a library has changed, or this file.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Fields = dict[str, Any]
Hashes = dict[str, str]

RENAMED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("align_labels", "labels", {"name": "by-name", "index": "by-index"}),
    ("heads", "heads", {"concat": "apart"}),
    ("multi_match", "together", {"cycle-consistent": "universe"}),
    ("symmetry", "symmetry", {"maps": "unscaled", "scales": "scaled"}),
    ("lambda", "best", {"auto": True}),
)
"""A recipe's field as it is called below, its former name, and its former values. These are used
where `Recipe` refuses the new ones."""

MATCHERS = {
    "nothing": "none descent weights",
    "images": "synthetic",
    "rows": "activations activations-weights activations-distance activations-information "
    "activations-transport",
    "steps, rows": "learned learned-labels straight-through",
}
FUSIONS = {
    "nothing": "average slerp",
    "rows": "fisher least-squares regmean",
    "base": "breadcrumbs dare dare-ties model-stock task-arithmetic ties",
    "run": "ema hierarchical lawa swa swag",
    "run, rows": "greedy-soup learned-soup swad twa",
}
"""What they need -> names."""
OPTIONS: Fields = {"hierarchical": {"runs": "1+3"}, "lawa": {"last": 3}, "swa": {"every": 2}}
LEARNING: Fields = {"learning_steps": 20}
CLASSES = ("ash", "birch", "cedar", "elm", "fir")
WORDS = ("<end>", *"abcdefghijklmnopqrst")
TOKENS = 12
ROWS = {"train": 60, "validation": 30, "test": 30}
_MLP = {"input_size": 192, "hidden_sizes": [16, 12]}
_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [2, 1], "layer_type": "basic"}
_LAYERS = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4}
_GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_inner": 24, "n_positions": TOKENS}
_LLAMA = {**_LAYERS, "num_key_value_heads": 2, "max_position_embeddings": TOKENS}
KINDS: dict[str, Fields] = {
    "mlp_head": {**_MLP, "norm": "batch"},
    "mlp_head-layer": {**_MLP, "norm": "layer", "hidden_act": "gelu"},
    "mlp_head-tanh": {**_MLP, "hidden_act": "tanh"},
    "resnet": _RESNET,
    "resnet-bottleneck": {**_RESNET, "layer_type": "bottleneck", "hidden_act": "silu"},
    "vit": {**_LAYERS, "image_size": 8, "patch_size": 4, "num_hidden_layers": 2},
    "gpt2": _GPT2,
    "gpt2-untied": {**_GPT2, "tie_word_embeddings": False, "activation_function": "leaky_relu"},
    "llama": {**_LLAMA, "num_hidden_layers": 2},
    "llama-tied": {**_LLAMA, "num_hidden_layers": 1, "tie_word_embeddings": True, "mlp_bias": True},
    "llama-bfloat16": {**_LLAMA, "num_hidden_layers": 1},
}
"""Kind -> configuration. A family, and, after a hyphen, what is special about it."""
FIRST_LAYER = {  # beginning of the names of its tensors
    "mlp_head": "layers.0.",
    "resnet": "resnet.encoder.stages.0.",
    "vit": "vit.layers.0.",
    "gpt2": "transformer.h.0.",
    "llama": "model.layers.0.",
}
PARENTS = {"a": CLASSES, "b": CLASSES, "c": CLASSES[::-1], "low": CLASSES[:3], "high": CLASSES[2:]}
"""Models of every kind that have nothing in common, and their classes."""
RUN = ("step1", "step2", "step3", "step4")
"""More of every kind: the first one is near a, each other near the one before."""
PAIR, THREE = ("a", "b"), ("a", "b", "c")
MATCHED: Fields = {"match": "weights"}


@dataclass(frozen=True)
class Case:
    """A merge, named KIND/... fields: of its recipe, as called here. rows: whether it has any."""

    name: str
    parents: tuple[str, ...]
    fields: Fields
    rows: bool = False


def cases() -> Iterator[Case]:
    """Every merge, family by family."""
    for family, first_layer in FIRST_LAYER.items():
        yield from _methods(family)
        for name in ("permutations", "maps", "scales", "all"):
            yield Case(f"{family}/symmetry/{name}", PAIR, {**MATCHED, "symmetry": name})
        for name in ("cycle-consistent", "merge-many", "star"):
            fields = {**MATCHED, "multi_match": name, "weights": (0.5, 0.3, 0.2)}
            yield Case(f"{family}/multi_match/{name}", THREE, fields)
        fields = {"match": "activations", "multi_match": "cycle-consistent"}
        yield Case(f"{family}/multi_match/activations", THREE, fields, rows=True)
        for name in ("only", "keep"):
            yield Case(f"{family}/{name}", PAIR, {**MATCHED, name: (first_layer,)})
    for kind in (kind for kind in KINDS if "-" in kind):
        yield Case(f"{kind}/match/weights", PAIR, MATCHED)
        fields = {"match": "activations", "repair": "repair", "symmetry": "all"}
        yield Case(f"{kind}/repair/repair", PAIR, fields, rows=True)
    for name in ("join", "concat"):
        yield Case(f"mlp_head/heads/{name}", ("low", "high"), {**MATCHED, "heads": name})
        fields = {"heads": name, "fuse": "least-squares"}
        yield Case(f"mlp_head/heads/{name}-rows", ("low", "high"), fields, rows=True)
    for name in ("name", "index"):
        yield Case(f"mlp_head/align_labels/{name}", ("a", "c"), {**MATCHED, "align_labels": name})
    yield Case("mlp_head/lambda/auto", PAIR, {**MATCHED, "lambda": "auto"}, rows=True)
    fields = {**LEARNING, "match": "learned", "multi_match": "star"}
    yield Case("vit/multi_match/learned", THREE, fields, rows=True)
    yield Case("resnet/seed", PAIR, {"match": "descent", "seed": 5})


def _methods(family: str) -> Iterator[Case]:
    """Every matcher, fusion and repair that works on the family."""
    for needs, names in MATCHERS.items():
        for name in names.split():
            fields: Fields = {"match": name, **(LEARNING if "steps" in needs else {})}
            fields |= {"repair": "auto"} if needs == "images" else {}
            if needs != "images" or family not in ("gpt2", "llama"):
                yield Case(f"{family}/match/{name}", PAIR, fields, "rows" in needs)
    for needs, names in FUSIONS.items():
        for name in names.split():
            fields = {**MATCHED, "fuse": name, "fuse_options": OPTIONS.get(name, {})}
            parents: tuple[str, ...] = PAIR
            if needs == "base":
                parents, fields["base"] = RUN[:2], "a"
            elif "run" in needs:
                parents, fields["match"] = RUN, "none"
            yield Case(f"{family}/fuse/{name}", parents, fields, "rows" in needs)
    yield Case(f"{family}/match/auto", PAIR, {"match": "auto"}, rows=True)
    yield Case(f"{family}/fuse/auto", PAIR, {**MATCHED, "fuse": "auto"}, rows=True)
    for name in ("none", "batchnorm", "repair"):
        if name != "batchnorm" or family in ("mlp_head", "resnet"):
            fields = {**MATCHED, "repair": name, "lambda": 0.3}
            yield Case(f"{family}/repair/{name}", PAIR, fields, name != "none")


def spelled(fields: Fields) -> Fields:
    """`fields` as the `Recipe` of this hubmerge calls them."""
    import hubmerge

    fields = dict(fields)
    for name, former, values in RENAMED:
        if name in fields:
            try:
                hubmerge.Recipe(models=("a", "b"), dataset="d", **{name: fields[name]})
            except Exception:  # what a recipe raises is no part of what stays
                value = fields.pop(name)
                fields[former] = values.get(value, value)
    return fields


def merged(case: Case, work: Path, out: Path) -> Hashes:
    """Hashes of the merge, which is written to `out`. Raises: whatever the merge raises."""
    import hubmerge

    fields, kind = spelled(case.fields), case.name.split("/")[0]
    if "base" in fields:
        fields["base"] = str(work / kind / fields["base"])
    if case.rows:
        fields |= {"dataset": str(work / data_of(kind)), "path_points": 0}
        if "effort" in hubmerge.Recipe.model_fields:
            fields["effort"] = "quick"
    else:
        fields.setdefault("repair", "none")  # synthetic images take long, and have a case
    parents = tuple(str(work / kind / parent) for parent in case.parents)
    hubmerge.run(hubmerge.Recipe(models=parents, **fields), hubmerge.Destination(out=out))
    return hashes(out)


def hashes(folder: Path, pattern: str = "model*.safetensors") -> Hashes:
    """Path in `folder` -> sha256 of every weights file in it."""
    files = {str(file.relative_to(folder)): file for file in sorted(folder.glob(pattern))}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def data_of(kind: str) -> str:
    """Name of the data that models of this kind are measured on."""
    return "texts" if kind.startswith(("gpt2", "llama")) else "images"


def write_data(work: Path) -> None:
    """Images, darker or lighter by their class, and texts, as parquet files."""
    import numpy as np
    from datasets import ClassLabel, Dataset, Features, Image
    from PIL import Image as Pillow

    draw = np.random.default_rng(0)
    types = Features({"image": Image(), "label": ClassLabel(names=list(CLASSES))})
    for name in ("images", "texts"):
        (work / name).mkdir(parents=True, exist_ok=True)
    for split, rows in ROWS.items():
        labels = draw.integers(len(CLASSES), size=rows)
        pixels = draw.integers(96, size=(rows, 8, 8, 3)) + 32 * labels.reshape(-1, 1, 1, 1)
        images = [Pillow.fromarray(each) for each in pixels.astype(np.uint8)]
        table = Dataset.from_dict({"image": images, "label": labels}, features=types)
        table.to_parquet(work / "images" / f"{split}.parquet")
        words = draw.integers(1, len(WORDS), size=(rows, TOKENS - 1))
        texts = [" ".join(WORDS[word] for word in row) for row in words]
        Dataset.from_dict({"text": texts}).to_parquet(work / "texts" / f"{split}.parquet")


def write_models(kind: str, work: Path) -> Hashes:
    """All models of a kind, unless they are there; their hashes."""
    if not (work / kind).exists():
        made = {
            name: shaken(fresh(kind, classes, seed), 0.1, seed)
            for seed, (name, classes) in enumerate(PARENTS.items())
        }
        for seed, (before, name) in enumerate(pairwise(("a", *RUN)), start=10):
            made[name] = shaken(made[before], 0.03, seed)
        for name, model in made.items():
            save(kind, model, work / kind / name)
    return hashes(work / kind, "*/model*.safetensors")


def fresh(kind: str, classes: Sequence[str], seed: int) -> PreTrainedModel:
    """A model as it is initialised."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageClassification

    import hubmerge  # noqa: F401  registers the MLP head

    torch.manual_seed(seed)
    texts, numbers = data_of(kind) == "texts", {name: n for n, name in enumerate(classes)}
    auto: Any = AutoModelForCausalLM if texts else AutoModelForImageClassification
    given: Fields = {"id2label": dict(enumerate(classes)), "label2id": numbers}
    if texts:
        given = {"vocab_size": len(WORDS), "bos_token_id": 0, "eos_token_id": 0}
    config = AutoConfig.for_model(kind.partition("-")[0], **KINDS[kind], **given)
    dtype = torch.bfloat16 if kind.endswith("bfloat16") else torch.float32
    return auto.from_config(config).to(dtype)


def shaken(model: PreTrainedModel, amount: float, seed: int) -> PreTrainedModel:
    """A copy with noise of this share of its deviation on every tensor, also on constant ones."""
    import torch

    model, generator = copy.deepcopy(model).eval(), torch.Generator().manual_seed(seed)
    known = model.state_dict()
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if name in known and value.is_floating_point():
                noise = amount * torch.randn(value.shape, generator=generator)
                moved = value + noise * (float(value.float().std()) or 1.0)
                value.copy_(value * noise.exp() if name.endswith("running_var") else moved)
    return model


def save(kind: str, model: PreTrainedModel, folder: Path) -> None:
    """As models lie on the Hub: with an image processor or a tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, ViTImageProcessorPil

    model.save_pretrained(folder)
    if data_of(kind) == "images":
        side = 16 if kind.startswith("resnet") else 8
        ViTImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
    if data_of(kind) == "texts":
        cut = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, WORDS[0]))
        cut.pre_tokenizer = pre_tokenizers.Whitespace()
        special = {"eos_token": WORDS[0], "unk_token": WORDS[0]}
        PreTrainedTokenizerFast(tokenizer_object=cut, **special).save_pretrained(folder)


def hashed(only: str, work: Path, place: Path) -> dict[str, Hashes]:
    """Name -> hashes of every case whose name matches `only`, and of the models they are made of.

    A merge that fails has what it raised, under "error". place: an empty folder for the merges.
    """
    chosen = [case for case in cases() if fnmatch(case.name, only)]
    kinds = sorted({case.name.split("/")[0] for case in chosen})
    if not (work / "texts").exists():
        write_data(work)
    found = {f"models/{kind}": write_models(kind, work) for kind in kinds}
    for number, case in enumerate(chosen, start=1):
        start = time.process_time()
        try:
            found[case.name] = merged(case, work, place / str(number))
        except Exception as error:
            found[case.name] = {"error": f"{type(error).__name__}: {error}"}
        spent, failed = time.process_time() - start, found[case.name].get("error", "")
        print(f"{number:>3}/{len(chosen)} {case.name} {spent:.1f} s {failed}", flush=True)
    return found


def compared(known: dict[str, Hashes], found: dict[str, Hashes], only: str) -> list[str]:
    """What is not as it is known, as lines to print; also what is on one side alone."""
    different = [f"{name}: no such case" for name in known.keys() - found if fnmatch(name, only)]
    for name, each in found.items():
        if each != known.get(name):
            other = "other bytes" if name in known else "not recorded"
            different.append(f"{name}: {each.get('error', other)}")
    return sorted(different)


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("file", type=Path, help="JSON file of hashes")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="cases, as 'gpt2/fuse/*'")
    parser.add_argument("--work", type=Path, help="keeps models and data; default: thrown away")
    given = parser.parse_args()
    known = json.loads(given.file.read_text("utf-8")) if given.what == "compare" else {}
    with tempfile.TemporaryDirectory() as name, open(os.devnull, "w", encoding="utf-8") as nowhere:
        # Before anything is imported. What earlier runs left in a cache would be taken up again.
        caches = ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE")
        os.environ |= {each: f"{name}/{each}" for each in caches} | {"HF_HUB_OFFLINE": "1"}
        with redirect_stderr(nowhere):
            found = hashed(given.only, (given.work or Path(name, "work")).absolute(), Path(name))
    if given.what == "record":
        wrong = [f"{name}: {each['error']}" for name, each in found.items() if "error" in each]
    else:
        wrong = compared(known, found, given.only)
    summary = f"{len(found)} cases, {len(wrong)} wrong, {time.process_time():.0f} s of CPU time"
    print(*wrong, summary, sep="\n")
    if given.what == "record" and not wrong:
        given.file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
