"""Serving the app, and shutting it down without losing jobs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from spaces_app.host import Host
from spaces_app.service.forkserver import forkserver, start_forkserver
from spaces_app.service.jobs import JobService
from spaces_app.service.limits import Limits
from spaces_app.service.log import log
from spaces_app.service.plugins import allow_named_plugins
from spaces_app.service.zerogpu import gpu_function, is_zerogpu
from spaces_app.ui.context import Context
from spaces_app.ui.oauth_scopes import sign_in_for_less
from spaces_app.ui.page import build
from spaces_app.ui.request_limits import RequestLimits
from spaces_app.ui.routes import routes
from spaces_app.ui.session_owners import OwnStreams
from spaces_app.ui.visitor_cookie import VisitorCookie

UI = Path(__file__).parent / "ui"
THREADS = 80
"""Requests that are answered at the same time."""


@dataclass(frozen=True)
class RunningApp:
    """An app that serves."""

    url: str
    context: Context


@contextmanager
def serving(
    host: Host, port: int | None = None, limits: Limits | None = None, name: str = "127.0.0.1"
) -> Iterator[RunningApp]:
    """Serve the app for the duration of a `with` block; port None takes a free one."""
    _forget_tokens()
    allow_named_plugins()
    forkserver()
    if is_zerogpu():
        gpu_function()
    context = Context(JobService(host.root, limits), host)
    page = build(context)
    page.queue(default_concurrency_limit=16)
    options: dict[str, Any] = {
        "theme": theme(),
        "css_paths": [UI / "style.css"],
        "js": (UI / "page.js").read_text(encoding="utf-8"),
        "footer_links": ["api"],
        "mcp_server": host.mcp,
        "app_kwargs": {
            "routes": [*routes(context), *(sign_in_for_less() if host.on_space else [])],
            "middleware": [
                Middleware(RequestLimits, image=context.jobs.limits.image),
                Middleware(VisitorCookie, embedded_in_site=host.on_space),
                Middleware(OwnStreams, page=page, owners=page.owners),
            ],
            "docs_url": None,
            "redoc_url": None,
        },
    }
    try:
        _, url, _ = page.launch(
            server_name=name,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            max_threads=THREADS,
            max_file_size=context.jobs.limits.image,
            show_error=False,
            enable_monitoring=False,
            share=False,
            **options,
        )
    except (OSError, OverflowError) as error:
        context.jobs.close()
        raise RecipeError(
            f"cannot serve on {name}:{port}",
            found=str(error),
            hint=f"another port, or {option('port', 0)}",
            field="port",
        ) from None
    threading.Thread(target=start_forkserver, name="warm-up", daemon=True).start()
    log("serving", url=url)
    if host.verifies:
        context.jobs.verifier.start()
    try:
        yield RunningApp(url.rstrip("/"), context)
    finally:
        context.jobs.close()
        page.close(verbose=False)


def serve(host: Host, port: int | None, name: str = "127.0.0.1", greet: str = "") -> None:
    """Serve until Ctrl-C or SIGTERM."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    with serving(host, port, name=name) as running:
        print(f"hubmerge app at {running.url}{greet}", flush=True)
        end.wait()


def theme() -> gr.themes.Base:
    """The look of the Hub: yellow, grey, and its typefaces."""
    typeface = (
        gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)),
        "system-ui",
        "sans-serif",
    )
    hues = {"primary_hue": "yellow", "secondary_hue": "indigo", "neutral_hue": "gray"}
    return gr.themes.Default(font=typeface, **hues).set(
        # Subdued text keeps a contrast of at least 4.5 : 1 on white.
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_700",
        input_placeholder_color="*neutral_500",
        button_primary_background_fill="#ffd21e",
        button_primary_background_fill_hover="#ffdd55",
        button_primary_background_fill_dark="#ffd21e",
        button_primary_background_fill_hover_dark="#ffdd55",
        button_primary_text_color="#111111",
        button_primary_text_color_dark="#111111",
        link_text_color_dark="#a5b4fc",
        link_text_color_hover_dark="#c7d2fe",
        link_text_color_visited_dark="#a5b4fc",
        link_text_color_active_dark="#c7d2fe",
    )


def _forget_tokens() -> None:
    """Remove tokens from the environment: the app acts only for visitors who sign in."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN"):
        os.environ.pop(name, None)
