"""What one client sends never harms another: bounded work, an answer for all, and no 500."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub.errors import HfHubHTTPError

from hubmerge.localhub import EmbeddedHub, embedded_hub, limits
from hubmerge.localhub.store import Store

SOON = 20.0
"""Seconds: far above what an answer takes, far below what these requests took unbounded."""


class Mallory:
    """A user of the Hub who means no good, with a repository of their own."""

    def __init__(self, hub: EmbeddedHub) -> None:
        self.token = hub.add_user("mallory")
        self.port = int(hub.url.rpartition(":")[2])
        settings: dict[str, Any] = {"trust_env": False, "timeout": 60, "base_url": hub.url}
        self.http = httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, **settings)
        self.owner = httpx.Client(headers={"Authorization": f"Bearer {hub.token}"}, **settings)

    def create(self, name: str) -> str:
        self.http.post("/api/repos/create", json={"name": name})
        return f"mallory/{name}"

    def commit(self, name: str, files: dict[str, str]) -> httpx.Response:
        lines: list[dict] = [{"key": "header", "value": {"summary": "x"}}]
        for path, content in files.items():
            text = base64.b64encode(content.encode(errors="surrogatepass")).decode()
            value = {"path": path, "content": text, "encoding": "base64"}
            lines.append({"key": "file", "value": value})
        body = "\n".join(map(json.dumps, lines))
        return self.http.post(f"/api/models/mallory/{name}/commit/main", content=body)

    def says(self, raw: bytes) -> bytes:
        """The first bytes that the server answers to `raw`."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as line:
            line.sendall(raw)
            return line.recv(4096)

    def hears_out(self, raw: bytes) -> bytes:
        """All that the server answers to `raw`, once everything is sent."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as line:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(4096), b""))


@pytest.fixture(scope="module")
def mallory(hub: EmbeddedHub) -> Iterator[Mallory]:
    mallory = Mallory(hub)
    mallory.create("x")
    yield mallory
    mallory.http.close()
    mallory.owner.close()


def test_a_card_that_takes_long_to_lay_out_keeps_nobody_waiting(mallory: Mallory) -> None:
    mallory.create("slow")
    mallory.commit("slow", {"README.md": "<!--" * 40_000})
    page: list[httpx.Response] = []
    reader = threading.Thread(target=lambda: page.append(mallory.http.get("/mallory/slow")))
    reader.start()
    time.sleep(0.2)
    begun = time.monotonic()
    assert mallory.owner.get("/api/whoami-v2").status_code == 200
    assert time.monotonic() - begun < SOON
    reader.join(60)
    assert page[0].status_code == 200


def test_a_card_that_is_too_long_is_shown_as_it_was_written(mallory: Mallory) -> None:
    mallory.create("long")
    mallory.commit("long", {"README.md": "<i>word</i> " * (limits.LAID_OUT // 8)})
    page = mallory.http.get("/mallory/long").text
    assert "takes too long to lay out" in page
    assert "&lt;i&gt;word" in page


HOSTILE_CARDS = [
    "x: 0x" + "f" * 9000,
    "x: 0b" + "1" * 20_000,
    "x: " + ":".join(["59"] * 5000),
    "? 0x" + "f" * 9000 + "\n: 1",
    'x: "\\ud800"',
    '"\\udfff": 1',
    'tags: ["\\ud800", 1, [2]]',
    "tags: 5",
    "tags: {a: b}",
    "tags: [[a]]",
    "self: 1",
    "ignore_metadata_errors: false",
    "eval_results: 7",
    "model_name: [x]",
    "model-index: x",
    "model-index: [1]",
    "model-index: [{name: m, results: [{}]}]",
    "model-index: [{name: m, results: x}]",
    "base_model: {a: 1}\nbase_model_relation: [x]",
    "pipeline_tag: {a: [b]}",
    "license: {a: b}",
    "library_name: [[]]",
    'x: !!int ""',
    "x: !!bool maybe",
    "x: !!timestamp never",
    'x: !!float ""',
    "x: 2001-99-99",
    "x: !!binary '\u00e9'",
    "x: 1e99999\ny: -.inf\nz: .nan",
    "x: " + "[" * 5000,
    "x: " + "{a: " * 3000,
    "a: &a [x]\nb: [*a, *a]",
    "<<: 1",
    "!!set {a, b}",
    "x: !!python/object/apply:os.system [x]",
    "\x00",
    "x: [" + "a, " * 30_000 + "]",
]


@pytest.mark.parametrize("card", HOSTILE_CARDS, ids=lambda card: card[:20])
def test_a_card_breaks_no_listing(hub: EmbeddedHub, mallory: Mallory, card: str) -> None:
    mallory.commit("x", {"README.md": f"---\n{card}\n---\n"})
    assert mallory.owner.get("/api/models").status_code == 200
    assert mallory.owner.get("/mallory/x").status_code == 200
    assert "mallory/x" in [each.id for each in hub.api().list_models(full=True)]
    answer = mallory.http.post("/api/validate-yaml", json={"content": f"---\n{card}\n---\n"})
    assert answer.status_code in (200, 400)
    assert answer.json()["errors"] or answer.status_code == 200


@pytest.mark.parametrize(
    "config",
    [
        '{"architectures": ["\\ud800"], "model_type": NaN}',
        '{"model_type": 1e999, "architectures": {"a": -Infinity}}',
        '{"model_type": ' + "[" * 400 + "]" * 400 + "}",
        '{"model_type": ' + "9" * 6000 + "}",
        "\ufeff{}",
        "[" * 200_000,
        "null",
    ],
    ids=lambda config: config[:30],
)
def test_a_configuration_breaks_no_listing(mallory: Mallory, config: str) -> None:
    mallory.commit("x", {"config.json": config})
    assert mallory.owner.get("/api/models").status_code == 200


def test_settings_that_cannot_be_read_again_are_refused(mallory: Mallory) -> None:
    """0 equals False and is no value of `gated`: kept, it would make the repository unreadable."""
    for value in (0, 0.0, "", None, [], "maybe"):
        answer = mallory.http.put("/api/models/mallory/x/settings", json={"gated": value})
        assert answer.status_code == 400, value
    assert mallory.owner.get("/api/models").status_code == 200


def test_a_damaged_repository_is_left_out(tmp_path: Path) -> None:
    with embedded_hub(tmp_path) as hub:
        for name in ("good", "bad", "gone"):
            hub.api().create_repo(f"me/{name}")
        (tmp_path / "repos/models/me/bad/state.json").write_text("{")
        for commit in (tmp_path / "repos/models/me/gone/commits").iterdir():
            commit.unlink()
        assert [each.id for each in hub.api().list_models()] == ["me/good"]


@pytest.mark.parametrize(
    "body",
    [
        b"[",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"1," * 150_000 + b"1]",
        b'{"paths": ["\\ud800"]}',
        b'{"paths": NaN}',
        b"\xff\xfe{\x00}\x00",
        b"\xed\xa0\x80",
        b"[]",
        b"7",
        b'{"a": ' + b"9" * 6000 + b"}",
    ],
    ids=range(11),
)
def test_malformed_json_is_refused(mallory: Mallory, body: bytes) -> None:
    json_ = {"Content-Type": "application/json"}
    for address in (
        "/api/models/mallory/x/paths-info/main",
        "/api/repos/create",
        "/api/models/mallory/x/discussions",
        "/mallory/x.git/info/lfs/objects/batch",
    ):
        begun = time.monotonic()
        answer = mallory.http.post(address, content=body, headers=json_)
        assert answer.status_code in (400, 413), (address, answer.text)
        assert time.monotonic() - begun < SOON


@pytest.mark.parametrize(
    ("method", "address", "asked"),
    [
        ("POST", "/mallory/x.git/info/lfs/objects/batch", {"operation": "upload", "objects": 5}),
        ("POST", "/mallory/x.git/info/lfs/objects/batch", {"operation": "upload", "objects": [5]}),
        ("POST", "/mallory/x.git/info/lfs/verify", {"oid": "0" * 64, "size": 10**30}),
        ("POST", "/api/models/mallory/x/preupload/main", {"files": [{"path": "a", "size": True}]}),
        ("POST", "/api/models/mallory/x/preupload/main", {"files": [{"path": "a/" * 500 + "a"}]}),
        ("POST", "/api/models/mallory/x/discussions", {"title": ["a", "b", "c"]}),
        ("POST", "/api/models/mallory/x/discussions", {"title": "a title", "description": {}}),
        ("POST", "/api/models/mallory/x/discussions/1/comment", {"comment": "x" * 70_000}),
        ("POST", "/api/models/mallory/x/tag/main", {"tag": 5}),
        ("POST", "/api/models/mallory/x/branch/b", {"startingPoint": {}}),
        ("PUT", "/api/models/mallory/x/settings", {"visibility": []}),
        ("POST", "/api/repos/create", {"name": "a" * 5000}),
        ("POST", "/api/repos/create", {"name": "y", "type": ["model"]}),
    ],
    ids=range(13),
)
def test_values_of_a_wrong_kind_are_refused(
    mallory: Mallory, method: str, address: str, asked: dict
) -> None:
    assert mallory.http.request(method, address, json=asked).status_code == 400


def test_many_are_too_many(mallory: Mallory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATHS", 100)
    monkeypatch.setattr(limits, "OPERATIONS", 50)
    many = limits.PATHS + 20
    paths = {"paths": ["a"] * many}
    info = "/api/models/mallory/x/paths-info/main"
    assert mallory.http.post(info, json=paths).status_code == 413
    assert mallory.http.post(info, data=paths).status_code == 413
    blobs = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 1}] * many}
    batch = "/mallory/x.git/info/lfs/objects/batch"
    assert mallory.http.post(batch, json=blobs).status_code == 413
    line = json.dumps({"key": "deletedFile", "value": {"path": "a"}})
    lines = "\n".join([line] * (limits.OPERATIONS + 1))
    commit = "/api/models/mallory/x/commit/main"
    head = json.dumps({"key": "header", "value": {"summary": "x"}})
    for body in (f"{head}\n{lines}", f"{head}\n" + "\n" * 200):
        assert mallory.http.post(commit, content=body).status_code == 413
    assert mallory.http.get("/api/models", params={"limit": "9" * 5000}).status_code == 200


def test_thousands_of_paths_of_a_deep_tree_are_answered_soon(mallory: Mallory) -> None:
    mallory.create("deep")
    folder = "/".join("abcdefghij" * 5)
    assert mallory.commit("deep", {f"{folder}/{n}": "" for n in range(600)}).status_code == 200
    paths = ["/".join(folder.split("/")[: 1 + n % 50]) for n in range(9000)]
    asked = {"paths": paths, "expand": True}
    begun = time.monotonic()
    answer = mallory.http.post("/api/models/mallory/deep/paths-info/main", json=asked)
    assert len(answer.json()) == 9000
    assert all(each["lastCommit"]["title"] == "x" for each in answer.json())
    tree = mallory.http.get("/api/models/mallory/deep/tree/main?recursive=true&expand=true")
    assert len(tree.json()) == 650
    assert time.monotonic() - begun < SOON


def test_a_comparison_that_takes_too_long_is_left_out(mallory: Mallory) -> None:
    mallory.create("compared")
    old = "\n".join(str(n % 131) for n in range(40_000))
    new = "\n".join(str((n * 7) % 131) for n in range(40_000))
    mallory.commit("compared", {"a.txt": old})
    oid = mallory.commit("compared", {"a.txt": new}).json()["commitOid"]
    begun = time.monotonic()
    page = mallory.http.get(f"/mallory/compared/commit/{oid}").text
    assert "differ" in page
    assert time.monotonic() - begun < 6 * SOON


def test_strangers_cannot_fill_a_repository(hub: EmbeddedHub, mallory: Mallory) -> None:
    hub.api().create_repo("me/open")
    where = "/api/models/me/open/discussions"
    text = {"title": "a title", "description": "x" * limits.TEXT}
    answers = [mallory.http.post(where, json=text).status_code for _ in range(12)]
    assert answers[0] == 200
    assert answers[-1] == 413
    assert mallory.owner.post(where, json={"title": "the owner's"}).status_code == 200


def test_a_user_sends_only_so_much(hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    eve = hub.api(hub.add_user("eve"))
    eve.create_repo("eve/x")
    sent = hub.root / "sent" / "eve"
    before = int(sent.read_text())
    eve.upload_file(path_or_fileobj=b"a" * 1000, path_in_repo="a.txt", repo_id="eve/x")
    eve.upload_file(path_or_fileobj=b"\0" * 50_000, path_in_repo="a.bin", repo_id="eve/x")
    total = int(sent.read_text())
    assert total - before > 51_000
    eve.upload_file(path_or_fileobj=b"\0" * 50_000, path_in_repo="b.bin", repo_id="eve/x")
    assert int(sent.read_text()) - total < 2_000, "what is there already is sent for nothing"
    monkeypatch.setattr(limits, "SENT", total + 10_000)
    for content in (b"b" * 20_000, b"\1\0" * 25_000):
        with pytest.raises(HfHubHTTPError, match="403"):
            eve.upload_file(path_or_fileobj=content, path_in_repo="c", repo_id="eve/x")
    assert int(sent.read_text()) < total + 10_000
    assert not list((hub.root / "tmp").glob("*/*"))
    hub.api().create_repo("me/large", exist_ok=True)
    hub.api().upload_file(path_or_fileobj=b"c" * 20_000, path_in_repo="c", repo_id="me/large")


def test_a_nearly_full_disk_is_kept_for_its_owner(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE", 2**60)
    answer = mallory.commit("x", {"full.txt": "not there before"})
    assert (answer.status_code, "no space left" in answer.text) == (507, True)
    assert mallory.owner.post("/api/repos/create", json={"name": "still"}).status_code == 200


def test_bytes_that_do_not_arrive_are_not_counted(hub: EmbeddedHub) -> None:
    hub.add_user("dave")
    quota = Store(hub.root).quota
    quota.charge("dave", 100)
    quota.charge("dave", -40)
    quota.charge("me", 7)
    assert (quota.sent("dave"), quota.sent("me")) == (60, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/repos/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=range(11),
)
def test_malformed_http_is_refused(mallory: Mallory, raw: bytes) -> None:
    assert mallory.says(raw)[:15].split()[1] in (b"400", b"414", b"421", b"431")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"a" * 3_000_000, 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 3_000_000, 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 500_000, 431),
        (b"GET GET GET\r\n\r\n" + b"x" * 3_000_000, 400),
    ],
    ids=["address", "one header", "many headers", "no HTTP"],
)
def test_whoever_sends_too_much_is_answered_and_not_reset(
    mallory: Mallory, raw: bytes, status: int
) -> None:
    """More than the buffers of two sockets hold."""
    answer = mallory.hears_out(raw)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "wanted",
    ["bytes=" + ",".join(["0-0"] * 5000), "bytes=9-1", "bytes=-", "a", "bytes=0-" + "9" * 5000],
    ids=range(5),
)
def test_strange_ranges_cost_nothing(mallory: Mallory, wanted: str) -> None:
    mallory.commit("x", {"data.txt": "abc" * 1000})
    begun = time.monotonic()
    answer = mallory.http.get("/mallory/x/resolve/main/data.txt", headers={"Range": wanted})
    assert answer.status_code in (200, 206, 400, 416)
    assert time.monotonic() - begun < SOON


def test_clients_that_stall_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.3)
    with embedded_hub(tmp_path) as hub:
        mallory = Mallory(hub)
        assert mallory.says(b"") == b""
        assert mallory.says(b"GET / HTTP/1.1\r\nHost: loc") == b""
        head = b"POST /api/repos/create HTTP/1.1\r\nHost: localhost\r\n"
        assert b" 408 " in mallory.says(head + b"Content-Length: 9\r\n\r\n{")
        assert b" 408 " in mallory.says(head + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")


def test_a_body_that_never_ends_is_refused(mallory: Mallory) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    for address in ("/api/repos/create", "/api/models/mallory/x/commit/main"):
        with suppress(httpx.NetworkError):  # the server hangs up while the rest is being sent
            assert mallory.http.post(address, content=endless()).status_code == 413
    assert mallory.owner.get("/api/whoami-v2").status_code == 200


def test_one_account_does_not_keep_the_server_to_itself(mallory: Mallory, hub: EmbeddedHub) -> None:
    """More requests of mallory's than the server has threads, all waiting for one lock."""
    assert hub._store is not None

    def ask() -> None:
        where = "/api/models/mallory/x/discussions"
        mallory.http.post(where, json={"title": "one of many"})

    waiting = [threading.Thread(target=ask) for _ in range(45)]
    with hub._store.disk.lock("models/mallory/x"):
        for thread in waiting:
            thread.start()
        time.sleep(0.3)
        begun = time.monotonic()
        assert mallory.owner.get("/api/models").status_code == 200
        assert time.monotonic() - begun < SOON
    for thread in waiting:
        thread.join(60)
