"""What a Space asks a visitor to allow: little at sign-in, and jobs only where one is wanted.

A Space's front matter lists every scope it may ever ask for, and Gradio's sign-in asks for all of
them at once. Here it asks for all but jobs; a route of its own asks for these, too, and comes back
by Gradio's callback, which keeps the new token.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlencode

import gradio.oauth
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spaces_app.service.hub_jobs import SCOPE
from spaces_app.ui.models_panel import FIELDS

ALLOW = "/login/jobs"


def without_jobs(scopes: str) -> str:
    """The scopes of a sign-in."""
    return " ".join(each for each in scopes.split() if each != SCOPE)


def sign_in_for_less() -> list[Route]:
    """Have the sign-in ask for all of the Space's scopes but jobs; the route that asks for them."""
    scopes = gradio.oauth.OAUTH_SCOPES
    if scopes is None or SCOPE not in scopes.split():
        return []
    gradio.oauth.OAUTH_SCOPES = without_jobs(scopes)
    client = _client(scopes)

    async def allow(request: Request) -> Response:
        return await client.authorize_redirect(request, _back(request))

    return [Route(ALLOW, allow)]


def _client(scopes: str) -> Any:
    from authlib.integrations.starlette_client import OAuth

    oauth = OAuth()
    oauth.register(
        name="huggingface",  # under which Gradio's callback finds what was asked
        client_id=gradio.oauth.OAUTH_CLIENT_ID,
        client_secret=gradio.oauth.OAUTH_CLIENT_SECRET,
        client_kwargs={"scope": scopes},
        server_metadata_url=f"{gradio.oauth.OPENID_PROVIDER_URL}/.well-known/openid-configuration",
    )
    return oauth.huggingface


def _back(request: Request) -> str:
    given = {name: request.query_params[name] for name in FIELDS if name in request.query_params}
    target = urlencode({"_target_url": f"/?{urlencode(given)}" if given else "/"})
    host = os.environ["SPACE_HOST"].split(",")[0].strip()
    return f"https://{host}/login/callback?{target}"
