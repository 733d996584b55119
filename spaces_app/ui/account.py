"""Who you are: Hugging Face's own sign-in on a Space, a token of yours on your machine."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from spaces_app.service import hub_queries as hub
from spaces_app.service.job import Refusal, Refused
from spaces_app.ui import markup
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET
from spaces_app.ui.visitor_cookie import came_by_its_own_name, cookie_of

WHY = "Needed for private models and for publishing. The token stays in memory, and is yours alone."
TOKEN = "Made in the settings of your account on the Hub; with the write role, to publish."
NO_TOKEN = Refusal(
    kind="AccessError", what="There is no token on this machine", hint="hf auth login"
)
NO_COOKIE = Refusal(
    kind="AccessError",
    what="This browser keeps no cookies, so that nobody could tell its calls from others'",
    hint="allow cookies for this page, and open it again",
)
ELSEWHERE = Refusal(
    kind="AccessError",
    what="This machine's token is for who opens this page on this machine",
    hint="the address that was printed when the app was started; or another token",
)


class Account:
    """The corner where people sign in."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.shown = gr.HTML(elem_id="who")
        self.changed: list[Any] = []
        if context.host.on_space:
            gr.LoginButton(size="sm")
            return
        with gr.Accordion("Sign in", open=False, elem_id="sign-in"):
            gr.HTML(Markup('<p class="hm-quiet">{}</p>').format(WHY))
            self.own = gr.Button("Sign in with this machine's token", elem_id="own-token")
            self.token = gr.Textbox(
                label="Or another token", info=TOKEN, type="password", max_lines=1, elem_id="token"
            )
            with gr.Row():
                self.enter = gr.Button("Sign in with it", elem_id="enter")
                self.leave = gr.Button("Sign out", elem_id="leave")

    def who(self, request: gr.Request) -> Markup:
        """Whose page this is."""
        name = self._context.person(request).name
        said = (
            Markup("Signed in as <strong>{}</strong>").format(markup.text(name))
            if name
            else ("Not signed in: public models, no publishing")
        )
        return Markup('<p class="hm-quiet" role="status">{}</p>').format(said)

    def wire(self) -> None:
        """Signing in and out, where it is done here."""
        if self._context.host.on_space:
            return
        both = [self.shown, self.token]
        self.changed = [
            self.own.click(self._own, None, both, **QUIET),
            self.enter.click(self._enter, self.token, both, **QUIET),
            self.token.submit(self._enter, self.token, both, **QUIET),
            self.leave.click(self._leave, None, both, **QUIET),
        ]

    def _own(self, request: gr.Request) -> tuple[Markup, str]:
        if not came_by_its_own_name(request):
            return markup.refusal(ELSEWHERE, "Not signed in"), ""
        look = self._context.host.local_token
        token = look() if look else None
        if not token:
            return markup.refusal(NO_TOKEN, "Not signed in"), ""
        return self._enter(token, request)

    def _enter(self, token: str, request: gr.Request) -> tuple[Markup, str]:
        if cookie_of(request) is None:
            return markup.refusal(NO_COOKIE, "Not signed in"), ""
        try:
            name = hub.account(token.strip())
        except Refused as refused:
            return markup.refusal(refused.refusal, "Not signed in"), ""
        self._context.sessions.sign_in(self._context.visiting(request), name, token.strip())
        return self.who(request), ""

    def _leave(self, request: gr.Request) -> tuple[Markup, str]:
        self._context.sessions.sign_out(self._context.visiting(request))
        return self.who(request), ""
