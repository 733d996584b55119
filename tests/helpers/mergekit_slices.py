"""What mergekit makes of slices that are merged each, of single models, and of several merges.

    python -m tests.helpers.mergekit_slices

writes `mergekit_slices.safetensors` beside this file, as `mergekit_yamls.py` does.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import yaml
from safetensors.torch import load_file, save_file

from tests.helpers.mergekit_yamls import State, by_mergekit, place, read

FILE = Path(__file__).with_name("mergekit_slices.safetensors")

SLICES = {
    "merged-slices": """
merge_method: slerp
base_model: ./a
slices:
- sources: [{model: ./a, layer_range: [0, 2]}, {model: ./b, layer_range: [1, 3]}]
  parameters: {t: [{filter: mlp, value: [0, 1]}, {value: .3}]}
- sources: [{model: ./b, layer_range: [1, 4]}, {model: ./a, layer_range: [1, 4]}]
parameters:
  t: [{filter: self_attn, value: [.2, .9]}, {value: .6}]
dtype: float32
""",
    "slice-of-one": """
merge_method: linear
slices:
- sources: [{model: ./a, layer_range: [0, 1], parameters: {weight: .5}}]
- sources:
  - {model: ./b, layer_range: [1, 3], parameters: {weight: 1}}
  - {model: ./c, layer_range: [0, 2], parameters: {weight: [.2, .7]}}
- sources: [{model: ./c, layer_range: [3, 4], parameters: {weight: 1}}]
dtype: float32
""",
    "based": """
merge_method: ties
base_model: ./base
slices:
- sources:
  - {model: ./a, layer_range: [0, 2], parameters: {weight: .5, density: .5}}
  - {model: ./b, layer_range: [0, 2], parameters: {weight: 1}}
  - {model: ./base, layer_range: [0, 2]}
- sources:
  - {model: ./c, layer_range: [2, 4], parameters: {weight: .8, density: .7}}
  - {model: ./b, layer_range: [2, 4], parameters: {weight: 1}}
  - {model: ./base, layer_range: [2, 4]}
parameters: {density: .6}
dtype: float32
""",
    "based-of-one": """
merge_method: task_arithmetic
base_model: ./base
slices:
- sources:
  - {model: ./a, layer_range: [0, 2], parameters: {weight: .5}}
  - {model: ./base, layer_range: [0, 2]}
- sources: [{model: ./base, layer_range: [2, 4]}]
dtype: float32
""",
    "base-of-a-slice": """
merge_method: slerp
base_model: ./a
slices:
- sources: [{model: ./a, layer_range: [0, 2]}, {model: ./b, layer_range: [0, 2]}]
- sources: [{model: ./a, layer_range: [2, 4]}, {model: ./b, layer_range: [2, 4]}]
  base_model: ./b
parameters: {t: .3}
dtype: float32
""",
}

ALONE = {
    "task-vector": """
merge_method: task_arithmetic
base_model: ./base
models: [{model: ./a, parameters: {weight: .7}}]
dtype: float32
""",
    "trimmed": """
merge_method: ties
base_model: ./base
models: [{model: ./a, parameters: {weight: .7, density: .4}}]
dtype: float32
""",
    "as-it-is": """
merge_method: passthrough
models: [{model: ./a}]
dtype: bfloat16
""",
    "averaged": """
merge_method: linear
models: [{model: ./a, parameters: {weight: .5}}]
dtype: float32
""",
}

STAGED = """
name: first
merge_method: nuslerp
models: [{model: ./a, parameters: {weight: 1}}, {model: ./b, parameters: {weight: 2}}]
dtype: float32
---
name: second
merge_method: linear
slices:
- sources:
  - {model: first, layer_range: [0, 2], parameters: {weight: .5}}
  - {model: ./c, layer_range: [1, 3], parameters: {weight: .25}}
- sources: [{model: first, layer_range: [2, 4], parameters: {weight: 1}}]
dtype: float32
---
merge_method: ties
base_model: ./base
models:
- {model: second, parameters: {weight: 1, density: .7}}
- {model: ./b, parameters: {weight: .6, density: .3}}
dtype: float32
"""


def staged_by_mergekit(text: str, folder: Path, out: Path) -> State:
    """The last of several merges, each made by itself, of models that lie in `folder`."""
    made: State = {}
    for number, each in enumerate(re.split(r"^---\n", text, flags=re.MULTILINE)):
        content = yaml.safe_load(each)
        name = content.pop("name", f"last-{number}")
        document = re.sub(r"model: (first|second)\b", rf"model: {out}/\1", yaml.safe_dump(content))
        made = by_mergekit(document, folder, out / name)
    return made


def recorded() -> dict[str, State]:
    """Name of a YAML -> tensors."""
    found: dict[str, State] = {}
    for key, value in load_file(FILE).items():
        name, _, tensor = key.partition(":")
        found.setdefault(name, {})[tensor] = value
    return found


def write() -> None:
    """Makes the file anew."""
    with tempfile.TemporaryDirectory() as place_of_all:
        folder = Path(place_of_all)
        place(read(), folder)
        merges = {
            name: by_mergekit(text, folder, folder / f"of-{name}")
            for name, text in {**SLICES, **ALONE}.items()
        }
        merges["staged"] = staged_by_mergekit(STAGED, folder, folder / "stages")
    tensors = {
        f"{name}:{tensor}": value.contiguous()
        for name, state in merges.items()
        for tensor, value in state.items()
    }
    save_file(tensors, FILE)


if __name__ == "__main__":
    write()
