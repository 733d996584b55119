"""Signing in: with Hugging Face on a Space, with a token elsewhere."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from spaces_app.service import hub_queries as hub
from spaces_app.service.job import Refusal, Refused
from spaces_app.ui import markup
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET
from spaces_app.ui.visitor_cookie import cookie_of, is_local_host

WHY = "Needed for private models and for publishing. The token is kept in memory only."
TOKEN = "From the settings of your account on the Hub; publishing needs the write role."
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


class AccountPanel:
    """Status and fields for signing in."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.shown = gr.HTML(elem_id="who")
        self.changed: list[Any] = []
        if context.host.on_space:
            gr.LoginButton(size="sm")
            return
        with gr.Accordion("Sign in", open=False, elem_id="sign-in"):
            gr.HTML(Markup('<p class="hm-quiet">{}</p>').format(WHY))
            self.use_local = gr.Button("Sign in with this machine's token", elem_id="own-token")
            self.token = gr.Textbox(
                label="Or another token", info=TOKEN, type="password", max_lines=1, elem_id="token"
            )
            with gr.Row():
                self.sign_in = gr.Button("Sign in with it", elem_id="enter")
                self.sign_out = gr.Button("Sign out", elem_id="leave")

    def status(self, request: gr.Request) -> Markup:
        """Who is signed in."""
        name = self._context.visitor(request).name
        said = (
            Markup("Signed in as <strong>{}</strong>").format(markup.text(name))
            if name
            else ("Not signed in: public models, no publishing")
        )
        return Markup('<p class="hm-quiet" role="status">{}</p>').format(said)

    def wire(self) -> None:
        """Connect the buttons, where Gradio's own is not used."""
        if self._context.host.on_space:
            return
        both = [self.shown, self.token]
        self.changed = [
            self.use_local.click(self._use_local_token, None, both, **QUIET),
            self.sign_in.click(self._sign_in, self.token, both, **QUIET),
            self.token.submit(self._sign_in, self.token, both, **QUIET),
            self.sign_out.click(self._sign_out, None, both, **QUIET),
        ]

    def _use_local_token(self, request: gr.Request) -> tuple[Markup, str]:
        if not is_local_host(request):
            return markup.refusal(NOT_LOCAL, "Not signed in"), ""
        read_token = self._context.host.local_token
        token = read_token() if read_token else None
        if not token:
            return markup.refusal(NO_TOKEN, "Not signed in"), ""
        return self._sign_in(token, request)

    def _sign_in(self, token: str, request: gr.Request) -> tuple[Markup, str]:
        if cookie_of(request) is None:
            return markup.refusal(NO_COOKIE, "Not signed in"), ""
        try:
            name = hub.account(token.strip())
        except Refused as refused:
            return markup.refusal(refused.refusal, "Not signed in"), ""
        self._context.sessions.sign_in(self._context.browser(request), name, token.strip())
        return self.status(request), ""

    def _sign_out(self, request: gr.Request) -> tuple[Markup, str]:
        self._context.sessions.sign_out(self._context.browser(request))
        return self.status(request), ""
