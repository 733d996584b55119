"""Which class of transformers loads an architecture, by transformers' own tables."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

GENERAL = ("AutoModel", "AutoModelForTextEncoding", "AutoModelForPreTraining")
"""Auto classes that say less than others which load the same architecture, the best first."""


def architecture(config: PreTrainedConfig) -> str:
    """The class that `config` names; empty if it names none."""
    return (config.architectures or [""])[0]


def loads(auto_class: str, config: PreTrainedConfig) -> bool:
    """Whether the auto class loads the architecture of `config`: one of transformers, one that is
    registered, or one that the model brings along.
    """
    name = architecture(config)
    brought = str((getattr(config, "auto_map", None) or {}).get(auto_class, ""))
    if name and brought.rpartition(".")[2] == name:
        return True
    return name in _listed(auto_class) or name in _registered(auto_class)


def knows(auto_class: str, config: PreTrainedConfig) -> bool:
    """Whether the auto class makes some model of such a configuration, whatever its head."""
    mapping = _mapping(auto_class)
    return mapping is not None and config.model_type in mapping._model_mapping


def auto_class_of(config: PreTrainedConfig) -> str | None:
    """The auto class that loads the architecture of `config`; None if there is none.

    Of several, the one that says most of what the model is for.
    """
    import transformers

    auto_map = getattr(config, "auto_map", None) or {}
    names = {name for name in (*dir(transformers), *auto_map) if name.startswith("AutoModel")}
    found = sorted(name for name in names if _resolves(name, config))
    special = [name for name in found if name not in GENERAL]
    return next(iter([*special, *(name for name in GENERAL if name in found)]), None)


def pipeline_tag_of(config: PreTrainedConfig) -> str | None:
    """The Hub's tag that transformers gives the architecture of `config`; None if it gives none,
    or several.
    """
    from transformers.modelcard import TASK_MAPPING

    name = architecture(config)
    tags = [tag for tag, classes in TASK_MAPPING.items() if name in _flat(classes)]
    return tags[0] if len(tags) == 1 else None


def _resolves(auto_class: str, config: PreTrainedConfig) -> bool:
    """Whether the auto class, given the model, makes this very architecture of it."""
    name = architecture(config)
    brought = (getattr(config, "auto_map", None) or {}).get(auto_class)
    if brought is not None:
        return str(brought).rpartition(".")[2] == name
    mapping = _mapping(auto_class)
    own = mapping._model_mapping.get(config.model_type, ()) if mapping is not None else ()
    return name in ({own} if isinstance(own, str) else {*own}) or name in _registered(auto_class)


@cache
def _listed(auto_class: str) -> frozenset[str]:
    mapping = _mapping(auto_class)
    return frozenset() if mapping is None else frozenset(_flat(mapping._model_mapping))


def _registered(auto_class: str) -> set[str]:
    """Names of classes that others than transformers gave the auto class."""
    mapping = _mapping(auto_class)
    given: Any = () if mapping is None else mapping._extra_content.values()
    return {
        kind.__name__ for each in given for kind in (each if isinstance(each, tuple) else (each,))
    }


def _mapping(auto_class: str) -> Any | None:
    import transformers

    return getattr(getattr(transformers, auto_class, None), "_model_mapping", None)


def _flat(classes: Any) -> set[str]:
    """Class names of a table from model types to one or several of them."""
    return {
        name
        for value in classes.values()
        for name in ((value,) if isinstance(value, str) else value)
    }
