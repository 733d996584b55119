"""The header: title, who is signed in, and how: with Hugging Face on a Space, else a token."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from spaces_app.service import hub_queries as hub
from spaces_app.service.job import Refusal, Refused
from spaces_app.service.visitors import Visitor
from spaces_app.ui import markup
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET
from spaces_app.ui.visitor_cookie import cookie_of, is_local_host

TITLE = "hubmerge"
LOGO = Markup(
    '<svg viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M3 5h4c4 0 5 7 9 7h5M3 19h4c4 0 5-7 9-7"/><circle cx="20" cy="12" r="2.4"/></svg>'
)
WHY = "Needed for private models and for publishing. The token is kept in memory only."
TOKEN = "From the settings of your account on the Hub; publishing needs the write role."
GUEST = Markup(
    '<p role="status" title="Public models can be merged without signing in; publishing needs it.">'
    "Not signed in</p>"
)
NO_TOKEN = Refusal(
    kind="AccessError", what="There is no token on this machine", hint="hf auth login"
)
NO_COOKIE = Refusal(
    kind="AccessError",
    what="This browser does not accept cookies, which signing in needs",
    hint="allow cookies for this page and reload it",
)
NOT_LOCAL = Refusal(
    kind="AccessError",
    what="The token of this machine can be used from this machine only",
    hint="open the address that the app printed at start, or use another token",
)


def title() -> gr.HTML:
    """Logo and name."""
    return gr.HTML(Markup('<header class="hm-head"><h1>{}{}</h1></header>').format(LOGO, TITLE))


class AccountPanel:
    """The header's row, and the fields for signing in below it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.changed: list[Any] = []
        with gr.Row(elem_classes="hm-top", elem_id="top"):
            title()
            self.shown = gr.HTML(GUEST, elem_id="who")
            if context.host.on_space:
                gr.LoginButton(size="sm", min_width=120)
                return
            self.button = gr.Button("Sign in", size="sm", min_width=100, elem_id="sign-in")
            self.leave = gr.Button(
                "Sign out", size="sm", min_width=100, elem_id="leave", visible=False
            )
        self.opened = gr.State(False)
        with gr.Column(visible=False, elem_id="sign-in-fields", elem_classes="hm-box") as self.ways:
            gr.HTML(Markup('<p class="hm-quiet">{}</p>').format(WHY))
            self.use_local = gr.Button("Use this machine's token", elem_id="own-token")
            self.token = gr.Textbox(
                label="Or another token", info=TOKEN, type="password", max_lines=1, elem_id="token"
            )
            self.sign_in = gr.Button("Use this token", elem_id="enter")
            self.failed = gr.HTML(elem_id="sign-in-failed")

    def status(self, request: gr.Request) -> Markup:
        """Who is signed in."""
        visitor = self._context.visitor(request)
        return GUEST if visitor.name is None else signed_in(visitor)

    @property
    def outputs(self) -> list[Any]:
        """Components that `now` updates."""
        if self._context.host.on_space:
            return [self.shown]
        return [
            self.shown,
            self.button,
            self.leave,
            self.ways,
            self.token,
            self.opened,
            self.failed,
        ]

    def now(self, request: gr.Request, failed: Markup = markup.NONE) -> list[Any]:
        """The header as it is now. failed: why signing in was refused; the fields stay open."""
        if self._context.host.on_space:
            return [self.status(request)]
        known = self._context.visitor(request).name is not None
        opened = bool(failed)
        return [
            self.status(request),
            gr.update(visible=not known),
            gr.update(visible=known),
            gr.update(visible=opened),
            "",
            opened,
            failed,
        ]

    def wire(self) -> None:
        """Connect the buttons, where Gradio's own is not used."""
        if self._context.host.on_space:
            return
        self.button.click(
            lambda opened: (gr.update(visible=not opened), not opened),
            self.opened,
            [self.ways, self.opened],
            queue=False,
            **QUIET,
        )
        self.changed = [
            self.leave.click(self._sign_out, None, self.outputs, **QUIET),
            self.use_local.click(self._use_local_token, None, self.outputs, **QUIET),
            self.sign_in.click(self._sign_in, self.token, self.outputs, **QUIET),
            self.token.submit(self._sign_in, self.token, self.outputs, **QUIET),
        ]

    def _sign_out(self, request: gr.Request) -> list[Any]:
        self._context.sessions.sign_out(self._context.browser(request))
        return self.now(request)

    def _use_local_token(self, request: gr.Request) -> list[Any]:
        if not is_local_host(request):
            return self.now(request, markup.refusal(NOT_LOCAL, "Not signed in"))
        read_token = self._context.host.local_token
        token = read_token() if read_token else None
        if not token:
            return self.now(request, markup.refusal(NO_TOKEN, "Not signed in"))
        return self._sign_in(token, request)

    def _sign_in(self, token: str | None, request: gr.Request) -> list[Any]:
        if cookie_of(request) is None:
            return self.now(request, markup.refusal(NO_COOKIE, "Not signed in"))
        said = (token or "").strip()
        try:
            found = hub.account(said)
        except Refused as refused:
            return self.now(request, markup.refusal(refused.refusal, "Not signed in"))
        browser = self._context.browser(request)
        self._context.sessions.sign_in(browser, found.name, said, found.picture)
        return self.now(request)


def signed_in(visitor: Visitor) -> Markup:
    """The visitor's picture, or initial, and name."""
    name = markup.text(visitor.name or "")
    if visitor.picture:
        face = Markup('<img src="{}" alt="" referrerpolicy="no-referrer">').format(visitor.picture)
    else:
        face = Markup('<span aria-hidden="true">{}</span>').format(name[:1].upper())
    return Markup(
        '<p role="status" class="hm-who">{}<b><span class="hm-hidden">Signed in as </span>'
        "{}</b></p>"
    ).format(face, name)
