"""The same entrances for tools that speak MCP."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from hubmerge.localhub import EmbeddedHub
from spaces_app.host import Host
from spaces_app.server import serving
from tests.helpers.jobs import PATIENCE, quick

ENDED = ("done", "failed", "stopped")
Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="module")
def address(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(Host(tmp_path_factory.mktemp("app"), mcp=True)) as app:
        yield f"{app.url}/gradio_api/mcp/"


def speaking(address: str, say: Callable[[ClientSession, Ask], Awaitable[Any]]) -> Any:
    """What `say` makes of a session with the app, and of a way to call its tools."""

    async def speak() -> Any:
        async with (
            streamable_http_client(address) as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()

            async def ask(tool: str, **arguments: str) -> dict[str, Any]:
                return ast.literal_eval((await session.call_tool(tool, arguments)).content[0].text)

            return await asyncio.wait_for(say(session, ask), PATIENCE)

    return asyncio.run(speak())


def test_publishing_is_no_tool_and_every_tool_says_what_it_takes(address: str) -> None:
    async def offered(session: ClientSession, ask: Ask) -> dict[str, Any]:
        return {tool.name: tool for tool in (await session.list_tools()).tools}

    tools = speaking(address, offered)
    assert set(tools) == {"plan", "merge", "status", "stop"}
    takes = {name: list(tool.inputSchema["properties"]) for name, tool in tools.items()}
    assert takes == {"plan": ["recipe"], "merge": ["recipe"], "status": ["job"], "stop": ["job"]}
    assert all(tool.description for tool in tools.values())


def test_a_merge_by_its_tools(address: str) -> None:
    async def merged(session: ClientSession, ask: Ask) -> dict[str, Any]:
        recipe = quick().to_yaml()
        planned = await ask("plan", recipe=recipe)
        assert planned["plan"]["both"]["family"] == "mlp_head"
        job = (await ask("merge", recipe=recipe))["job"]
        while (now := await ask("status", job=job))["state"] not in ENDED:
            await asyncio.sleep(0.1)
        return now

    done = speaking(address, merged)
    assert done["state"] == "done"
    assert done["report"]["n"] == 60


def test_a_refusal_is_an_answer(address: str) -> None:
    async def refused(session: ClientSession, ask: Ask) -> dict[str, Any]:
        return await ask("plan", recipe="models: [me/mlp-a, me/vit-a]")

    assert speaking(address, refused)["error"]["kind"] == "MismatchError"
