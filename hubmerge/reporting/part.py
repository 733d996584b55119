"""What every part of a report is made of."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Part(BaseModel):
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
