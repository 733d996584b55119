"""The same entrances for tools that speak MCP, where the extra is installed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hubmerge.localhub import EmbeddedHub
from spaces_app.host import Host
from spaces_app.server import serving

mcp = pytest.importorskip("mcp", reason="MCP is an extra: pip install 'hubmerge[mcp]'")


async def offered(address: str) -> set[str]:
    """Names of the tools there are."""
    from mcp.client.streamable_http import streamablehttp_client

    async with (
        streamablehttp_client(address) as (reading, writing, _),
        mcp.ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        return {tool.name for tool in (await session.list_tools()).tools}


def test_publishing_is_no_tool(hub: EmbeddedHub, tmp_path: Path) -> None:
    with serving(Host(tmp_path, mcp=True)) as app:
        tools = asyncio.run(offered(f"{app.url}/gradio_api/mcp/"))
    assert tools == {"plan", "merge", "status", "stop"}
