"""Variables of a Space: `/api/spaces/…/variables`, for those who may write to it.

They are kept and told, and nothing runs with them: the embedded Hub runs no Spaces.
"""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response

from hubmerge.localhub import limits
from hubmerge.localhub.records import State, Variable, now
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.routing import Call, Routes

routes = Routes()
VARIABLES = "/api/{type}/{namespace}/{name}/variables"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@routes("GET", VARIABLES)
def list_variables(call: Call) -> Response:
    _require_space(call)
    return _told(call.state)


@routes("POST", VARIABLES)
def set_variable(call: Call) -> Response:
    """Adds a variable, or gives one that is there another value."""
    _require_space(call)
    name = _named(call)
    value = call.text("value", limits.VARIABLE)
    said = call.text("description", limits.SUMMARY) or None
    with call.store.changing(call.key) as state:
        if name not in state.variables and len(state.variables) >= limits.VARIABLES:
            raise Refusal(413, f"A Space has at most {limits.VARIABLES} variables")
        state.variables[name] = Variable(value=value, description=said, updated=now())
    return _told(state)


@routes("DELETE", VARIABLES)
def delete_variable(call: Call) -> Response:
    _require_space(call)
    name = _named(call)
    with call.store.changing(call.key) as state:
        if state.variables.pop(name, None) is None:
            raise Refusal(404, f"This Space has no variable {name}")
    return _told(state)


def _require_space(call: Call) -> None:
    """Refuses unless the address names a Space that the caller may write to."""
    if call.values["type"] != "spaces":
        raise Refusal(404, "Only Spaces have variables")
    call.writer()


def _named(call: Call) -> str:
    name = call.json().get("key")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refusal(400, f"A variable is named by letters, digits and _, not {name!r:.100}")
    return name


def _told(state: State) -> Response:
    """Every variable, as the client reads them."""
    found = {
        name: {
            "value": each.value,
            "updatedAt": each.updated,
            **({"description": each.description} if each.description else {}),
        }
        for name, each in state.variables.items()
    }
    return JSONResponse(found)
