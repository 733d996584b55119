"""What every part of a report is made of."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Count = Annotated[int, Field(ge=0)]


class ReportPart(BaseModel):
    """Base: immutable, exact types, no unknown fields, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    OF_MANY: ClassVar[tuple[str, ...]] = ()
    """Fields that not every merge has; left out where they are None."""

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = serialize(self)
        for name in self.OF_MANY:
            if content.get(name) is None:
                content.pop(name, None)
        return content


class RowSetRecord(ReportPart):
    """Rows of one split, for one purpose."""

    split: str
    rows: Count
    available: Count
    fingerprint: str
    """Hash over the numbers of the chosen rows."""


def is_finite(value: Any) -> bool:
    """Whether every float in nested dicts and lists is finite."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(is_finite, value.values()))
        case list():
            return all(map(is_finite, value))
        case _:
            return True
