"""What the tensors of a model on disk are called in the model."""

from __future__ import annotations

from hubmerge.hub.model_class import made_of, skeleton
from hubmerge.hub.stored_names import became
from hubmerge.preparation.write import Stored


def names_in(kept: Stored) -> dict[str, str]:
    """Stored name -> name in the model; what the class stacks or ignores keeps its own."""
    about = kept.description
    with made_of(about):
        model = skeleton(about.config, about.code_folder)
    if kept.headers.keys() <= model.state_dict().keys():
        return {name: name for name in kept.headers}
    others = became(model, about.config, kept.headers)
    return {name: others.get(name, name) for name in kept.headers}
