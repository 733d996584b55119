"""Downloads: headers, ranges, resuming over a bad network, headers of weights alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import httpx
import numpy as np
import pytest
from huggingface_hub import HfApi
from safetensors.numpy import save

from hubmerge.localhub import EmbeddedHub, embedded_hub
from tests.helpers.flaky_relay import relay

BIG = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def files(hub: EmbeddedHub) -> str:
    api = hub.api()
    repo = api.create_repo("me/files").repo_id
    for path, content in (("big.bin", BIG), ("text.txt", b"hello\n"), ("page.html", b"<b>x</b>")):
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo)
    return repo


def test_headers_the_client_lives_on(hub: EmbeddedHub, http: httpx.Client, files: str) -> None:
    sha = hub.api().model_info(files).sha
    head = http.head(f"/{files}/resolve/main/big.bin", headers={"Accept-Encoding": "gzip"})
    etag = f'"{hashlib.sha256(BIG).hexdigest()}"'
    assert head.headers["X-Repo-Commit"] == sha
    assert head.headers["ETag"] == head.headers["X-Linked-Etag"] == etag
    assert head.headers["Content-Length"] == head.headers["X-Linked-Size"] == str(len(BIG))
    assert head.headers["Accept-Ranges"] == "bytes"
    assert "X-Xet-Hash" not in head.headers
    assert "Content-Encoding" not in head.headers
    text = http.get(f"/{files}/resolve/{sha}/text.txt")
    assert text.content == b"hello\n"
    assert text.headers["ETag"] == '"ce013625030ba8dba906f756967f9e9ca394464a"'


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("0-99", 0, 100), ("100-", 100, None), ("-7", -7, None), ("2999990-9999999", 2999990, None)],
)
def test_ranges(http: httpx.Client, files: str, asked: str, start: int, stop: int | None) -> None:
    answer = http.get(f"/{files}/resolve/main/big.bin", headers={"Range": f"bytes={asked}"})
    expected = BIG[start:stop]
    first = start % len(BIG)
    assert answer.status_code == 206
    assert answer.content == expected
    last = first + len(expected) - 1
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(BIG)}"


def test_a_range_beyond_the_end(http: httpx.Client, files: str) -> None:
    answer = http.get(f"/{files}/resolve/main/text.txt", headers={"Range": "bytes=6-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */6"


def test_nothing_downloaded_can_run_in_a_browser(http: httpx.Client, files: str) -> None:
    page = http.get(f"/{files}/resolve/main/page.html")
    assert page.headers["Content-Type"].startswith("text/plain")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("private", "name", "shown"),
    [
        (False, "curve.png", "cross-origin"),
        (False, "badge.svg", "cross-origin"),
        (False, "page.html", "same-origin"),
        (True, "curve.png", "same-origin"),
    ],
)
def test_images_of_what_is_public_alone_are_shown_by_pages_at_other_ports(
    http: httpx.Client, api: HfApi, private: bool, name: str, shown: str
) -> None:
    repo = f"me/shown-{private}-{name.replace('.', '-')}"
    api.create_repo(repo, private=private)
    api.upload_file(path_or_fileobj=b"any", path_in_repo=name, repo_id=repo)
    token = {"Authorization": f"Bearer {api.token}"}
    answer = http.get(f"/{repo}/resolve/main/{name}", headers=token)
    assert answer.status_code == 200
    assert answer.headers["Cross-Origin-Resource-Policy"] == shown
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_broken_download_resumes(hub: EmbeddedHub, files: str, tmp_path: Path) -> None:
    with relay(hub.url, after=1_000_000, cuts=2) as network:
        api = HfApi(endpoint=network.url, token=hub.token)
        path = api.hf_hub_download(files, "big.bin", cache_dir=tmp_path)
        assert network.broken == 2
    assert Path(path).read_bytes() == BIG


def test_a_broken_upload_is_whole_when_run_again(hub: EmbeddedHub, api: HfApi, repo: str) -> None:
    with relay(hub.url, after=0, cuts=1) as network:
        flaky = HfApi(endpoint=network.url, token=hub.token)
        for _ in range(3):
            try:
                flaky.upload_file(path_or_fileobj=BIG, path_in_repo="w.bin", repo_id=repo)
                break
            except Exception:
                assert network.broken
    assert network.broken
    assert api.get_paths_info(repo, "w.bin")[0].size == len(BIG)


def test_headers_of_weights_without_the_weights(hub: EmbeddedHub, api: HfApi, repo: str) -> None:
    weights = save({"a": np.zeros((400, 500), np.float32), "b": np.ones(3, np.float16)})
    api.upload_file(path_or_fileobj=weights, path_in_repo="model.safetensors", repo_id=repo)
    found = api.get_safetensors_metadata(repo)
    tensors = found.files_metadata["model.safetensors"].tensors
    assert {n: (t.dtype, tuple(t.shape)) for n, t in tensors.items()} == {
        "a": ("F32", (400, 500)),
        "b": ("F16", (3,)),
    }


def test_a_stopped_hub_comes_back_where_it_was(tmp_path: Path) -> None:
    with embedded_hub(tmp_path) as hub:
        api, url = hub.api(), hub.url
        api.create_repo("me/here")
        hub.stop()
        with pytest.raises(Exception, match=r"refused|connect"):
            api.model_info("me/here")
        hub.start()
        assert hub.url == url
        assert api.model_info("me/here").id == "me/here"
