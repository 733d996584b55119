"""A spec for every model: the reviewed one, else the one derived before, else a new one."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from hubmerge.errors import DerivationError, FamilyError, SpecError
from hubmerge.errors.wording import option
from hubmerge.specs.bind import bind
from hubmerge.specs.derived import DerivedRecord, given_for, keep, record_of
from hubmerge.specs.family import load_families, named


def ensure_spec(model: PreTrainedModel) -> DerivedRecord | None:
    """Derives a spec for models like `model`, unless a reviewed one describes them.

    model: may be on the meta device. Returns: what was derived, now or before; None if the spec is
    a reviewed one. Raises: DerivationError, also where a derivation was refused before; SpecError.
    """
    config = named(model.config, type(model))
    given = given_for(config)
    if given is not None:
        return given
    if _reviewed(config, model):
        return None
    record = record_of(config)
    if record is None:
        record = _derived(config, type(model))
    if record.refused is not None:
        raise DerivationError(
            record.refused,
            found=record.found,
            hint=f"{option('match', 'none')} needs no spec; or write one TOML file (docs/spec.md)",
        )
    return record


def _reviewed(config: Any, model: PreTrainedModel) -> bool:
    """Whether a spec file describes the model.

    One that comes with hubmerge, and is wrong about a variant of its type, does not; one that the
    user wrote is not passed over.
    """
    fitting = [family for family in load_families().families.values() if family.fits(config)]
    if len(fitting) != 1 or not fitting[0].shipped:
        return bool(fitting)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    try:
        bind(fitting[0], config, shapes)
    except SpecError:
        return False
    return True


def _derived(config: Any, kind: type[PreTrainedModel]) -> DerivedRecord:
    from hubmerge.derivation.derive import derive

    name = f"{config.model_type}-{kind.__name__}"
    try:
        found = derive(config, kind)
    except (DerivationError, FamilyError) as error:
        refused = DerivedRecord(name, refused=error.what, found=error.found)
        return keep(config, refused, "")
    record = DerivedRecord(name, found.deviation, found.movable)
    return keep(config, record, found.family.text)
