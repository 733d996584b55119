"""A page that refuses calls it cannot take in words, and logs each as one line.

A program that calls the app's functions directly may send any value for any widget. Gradio would
print a traceback for each, and fetch files that the values name by an address.
"""

from __future__ import annotations

import traceback
from typing import Any, get_type_hints

import gradio as gr

from spaces_app.service.job import Refused
from spaces_app.service.log import log
from spaces_app.ui.session_owners import SessionOwners

QUOTED = 300
"""Most characters of a library's words that are shown or logged."""
TRACE = 4000
"""Most characters of a traceback that are logged."""
MALFORMED = "hubmerge.malformed"
"""Where a request's scope says that its values are no values of the function's widgets."""


class StrictPage(gr.Blocks):
    """Blocks whose functions answer every call by a value or by an error in words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owners = SessionOwners()

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The values as the function takes them. Raises: gr.Error, for any that is none."""
        try:
            if block_fn.fn is None:
                raise gr.Error("There is no such function")
            if names_address(inputs):
                raise gr.Error("A file is uploaded; an address is not fetched")
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)
        except gr.Error as error:
            raise _Malformed(error.message) from None
        except Exception as error:
            raise _Malformed(_first_line(error)) from None

    async def process_api(self, block_fn: Any, *args: Any, **kwargs: Any) -> Any:
        """As Gradio does it. Raises: gr.Error alone, whose traceback is not printed."""
        name = getattr(block_fn, "name", None)
        request = kwargs.get("request")
        try:
            if not self.owners.may_use(getattr(request, "session_hash", None), request):
                raise _Malformed("the session is another browser's; reload the page")
            if not _says(kwargs.get("event_data")) and takes_event(getattr(block_fn, "fn", None)):
                raise _Malformed("it answers a click, and has to be told what was clicked")
            return await super().process_api(block_fn, *args, **kwargs)
        except gr.Error as error:
            if isinstance(error, _Malformed):
                _mark(request)
            log("call_refused", function=name, why=str(error.message)[:QUOTED])
            error.print_exception = False
            raise
        except Refused as refused:
            _mark(request)
            why = str(refused)[:QUOTED]
            log("call_refused", function=name, why=why)
            raise gr.Error(why, print_exception=False) from None
        except Exception as error:
            log(
                "call_broken",
                function=name,
                error=type(error).__name__,
                trace=traceback.format_exc()[-TRACE:],
            )
            raise gr.Error("This did not work: please report it", print_exception=False) from None


class _Malformed(gr.Error):
    """Values that are no values of the widgets."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"These are not the values that this function takes: {str(why)[:QUOTED]}",
            print_exception=False,
        )


def told(event: gr.EventData, name: str) -> Any:
    """What an event says under that name. Raises: gr.Error, if it does not say it."""
    try:
        return getattr(event, name)
    except AttributeError:
        raise _Malformed(f"the event does not say {name!r}") from None


def _says(event: Any) -> bool:
    """Whether a call says what happened."""
    return getattr(event, "_data", None) is not None


def takes_event(function: Any) -> bool:
    """Whether a function takes what happened to a widget, besides values of widgets."""
    try:
        hints = get_type_hints(function)
    except (TypeError, NameError):  # no function, or one whose hints name what is not imported
        return False
    return any(isinstance(each, type) and issubclass(each, gr.EventData) for each in hints.values())


def names_address(value: Any) -> bool:
    """Whether a file is named in `value` that Gradio would fetch from somewhere else."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            path = each.get("path")
            if isinstance(path, str) and "://" in path:
                return True
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
    return False


def _first_line(error: Exception) -> str:
    """What an error says, without the values it quotes."""
    cause = error.__cause__ or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


def _mark(request: Any) -> None:
    inner = getattr(request, "request", None)
    if inner is not None and hasattr(inner, "scope"):
        inner.scope[MALFORMED] = True
