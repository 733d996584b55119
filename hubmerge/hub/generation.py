"""How a model generates, as its publisher set it: read here only to refuse what cannot be used.

A merge takes the file along as it is. One that stock code stumbles over would be found after the
merge was published, by each person who loads it.
"""

from __future__ import annotations

from pathlib import Path

from transformers import GenerationConfig

from hubmerge.errors import WeightsError
from hubmerge.hub.calm import calm
from hubmerge.hub.json_files import read_json
from hubmerge.hub.layout import GENERATION
from hubmerge.utils.foreign import refusing

TOKEN = "_token_id"
"""What names of fields end with that hold the number of a token, or several."""


def refuse_generation(folder: Path, ref: str) -> None:
    """Raises: WeightsError, if stock code cannot use the generation configuration in `folder`."""
    if not (folder / GENERATION).is_file():
        return
    fields = read_json(folder / GENERATION, ref)
    for name, value in fields.items():
        if name.endswith(TOKEN) and not _is_token(value):
            raise WeightsError(
                f"{GENERATION} of {ref} cannot be used",
                found=f"{name}: {value!r}"[:200],
                hint="the number of a token is expected, or a list of them",
            )
    with (
        calm(),
        refusing(lambda said: WeightsError(f"{GENERATION} of {ref} cannot be used", found=said)),
    ):
        GenerationConfig.from_dict(fields)


def _is_token(value: object) -> bool:
    several = value if isinstance(value, list) else [value]
    return value is None or all(isinstance(n, int) and not isinstance(n, bool) for n in several)
