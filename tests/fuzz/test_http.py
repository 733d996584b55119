"""Requests of strangers to the embedded Hub: refused or answered, soon, and never with a 5xx."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import strategies as st

from hubmerge.localhub import EmbeddedHub, embedded_hub
from hubmerge.localhub.application import TABLES
from tests.helpers.fuzzing import AMOUNTS, texts, try_out, values

_NAMED = re.compile(r"\(\?P<(\w+)>\[\^\x00\]\+(?:\(\?:\x00\[\^\x00\]\+\)\*)?\)")
ADDRESSES = sorted(
    (method, _NAMED.sub(r"{\1}", pattern.pattern).replace("\\", "").replace("\0", "/"))
    for routes in TABLES
    for methods, pattern, _ in routes.table
    for method in methods
)
"""Method and template of every address that the Hub answers."""
RIGHT = {
    "type": "models",
    "namespace": "mallory",
    "name": "x",
    "revision": "main",
    "path": "README.md",
    "number": "1",
    "branch": "b",
    "oid": "0" * 64,
    "ticket": "me:0",
}
FIELDS = [
    *("name", "organization", "type", "private", "visibility", "gated", "user", "content", "paths"),
    *("expand", "startingPoint", "tag", "title", "description", "pullRequest", "comment", "status"),
    *(
        "files",
        "path",
        "size",
        "sample",
        "operation",
        "hash_algo",
        "objects",
        "oid",
        "key",
        "value",
    ),
    *("summary", "parentCommit", "algo", "encoding"),
]
QUERY = "limit sort filter search author expand recursive blobs create_pr diff full from size until"
HEADERS = {
    "Range": ["bytes=0-0", "bytes=-", "bytes=9-1", "bytes=" + "0-0," * 4000, "x"],
    "If-Range": ["x", '"a"'],
    "Accept": ["text/html"],
    "Content-Type": ["application/json", "application/x-www-form-urlencoded", "x" * 3000],
    "Cookie": ["hubmerge-hub=me:x", 'hubmerge-hub="', ";;=;"],
    "Authorization": ["Bearer x", "Basic eDp4", "Bearer", "x" * 3000],
    "Host": ["localhost", "evil.example", "127.0.0.1:99999"],
    "Expect": ["100-continue"],
    "Upgrade": ["websocket"],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    with embedded_hub(tmp_path_factory.mktemp("fuzzed")) as hub:
        yield hub


@pytest.fixture(scope="module")
def token(hub: EmbeddedHub) -> str:
    """Of a user with a repository of one file, a discussion and a pull request."""
    token = hub.add_user("mallory")
    text = base64.b64encode(b"---\nlicense: mit\n---\n# A\n").decode()
    file = {"path": "README.md", "content": text, "encoding": "base64"}
    commit = [{"key": "header", "value": {"summary": "x"}}, {"key": "file", "value": file}]
    where = "/api/models/mallory/x"
    for address, body in (
        ("/api/repos/create", json.dumps({"name": "x"})),
        (f"{where}/commit/main", "\n".join(map(json.dumps, commit))),
        (f"{where}/discussions", json.dumps({"title": "a title", "pullRequest": True})),
    ):
        assert asked(hub, "POST", address, {"Authorization": f"Bearer {token}"}, body.encode())
    return token


def asked(
    hub: EmbeddedHub, method: str, address: str, headers: dict[str, str], body: bytes | None
) -> int:
    """The status of the answer."""
    port = int(hub.url.rpartition(":")[2])
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as line:
        line.request(method, address, body, headers)
        answer = line.getresponse()
        answer.read()
        return answer.status


segments = st.one_of(
    texts.map(lambda text: quote(text.encode(errors="surrogatepass"), safe="")),
    st.sampled_from(["..", "%2e%2e", "%00", "%ff", "%zz", "refs%2Fpr%2F1", "²", "9" * 30, "a%2Fb"]),
)
bodies = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=6).map(json.dumps),
    st.lists(
        st.fixed_dictionaries(
            {
                "key": st.sampled_from(["header", "file", "lfsFile", "deletedFile", "x"]),
                "value": st.dictionaries(st.sampled_from(FIELDS), values, max_size=4) | values,
            }
        ),
        max_size=4,
    ).map(lambda lines: "\n".join(map(json.dumps, lines))),
    values.map(json.dumps),
    st.sampled_from(["[" * 100_000, '{"a":' * 5000, "paths=a&" * 20_000]),
).map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=100)


@st.composite
def requests(draw: Any) -> tuple[str, str, dict[str, str], bytes | None]:
    """A request that is nearly right: one address of the Hub, with some parts replaced."""
    method, template = draw(st.sampled_from(ADDRESSES))
    address = template
    for name in re.findall(r"\{(\w+)\}", template):
        right = st.just(RIGHT.get(name, "x"))
        address = address.replace(f"{{{name}}}", draw(right | right | segments), 1)
    address = re.sub(r"^/?@models/", "/", f"/{address.lstrip('/')}").replace("/@", "/")
    address = quote(address, safe="/%@~:.-_")
    if draw(st.booleans()):
        asked = draw(st.dictionaries(st.sampled_from(QUERY.split()), texts, max_size=3))
        pairs = (f"{n}={quote(v.encode(errors='surrogatepass'))}" for n, v in asked.items())
        address += "?" + "&".join(pairs)
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=2, unique=True))
    headers = {name: draw(st.sampled_from(HEADERS[name])) for name in names}
    if "repos/delete" in address:
        method = "GET"
    return method, address, headers, draw(bodies) if method in ("POST", "PUT") else None


@AMOUNTS
def test_requests(hub: EmbeddedHub, token: str, amount: int) -> None:
    def check(request: tuple[str, str, dict[str, str], bytes | None]) -> None:
        method, address, headers, body = request
        with suppress(ConnectionError, http.client.HTTPException):  # cut off in the middle
            known = {"Authorization": f"Bearer {token}", **headers}
            assert asked(hub, method, address, known, body) < 500

    try_out(check, requests(), amount * 3)
    assert asked(hub, "GET", "/api/models", {}, None) == 200
    hub.api().model_info("mallory/x")
    assert not [path for path in (Path(hub.root) / "tmp").glob("*/*") if path.is_file()]


@AMOUNTS
def test_bytes_for_requests(hub: EmbeddedHub, token: str, amount: int) -> None:
    whole = (
        b"POST /api/models/mallory/x/discussions HTTP/1.1\r\nHost: localhost\r\n"
        b"Authorization: Bearer " + token.encode() + b"\r\nContent-Length: 14\r\n\r\n"
        b'{"title":"abc"}'
    )
    place = st.integers(0, len(whole))
    port = int(hub.url.rpartition(":")[2])

    def check(example: tuple[int, bytes, int]) -> None:
        start, inserted, end = example
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as line:
            line.sendall(whole[:start] + inserted + whole[end:])
            line.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionError):
                answer = line.recv(4096)
        assert not re.match(rb"HTTP/1\.1 5", answer), answer

    some = st.binary(max_size=40) | st.sampled_from([b"\r\n\r\n", b"\x00", b"A: b\r\n" * 9000])
    try_out(check, st.tuples(place, some, place), amount)
