"""Pages for people: the card with its picture, the files, and no markup of anyone's but ours."""

from __future__ import annotations

import re

import httpx
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hubmerge.localhub import EmbeddedHub

PNG = b"\x89PNG\r\n\x1a\n\0 not much of a picture"
CARD = """---
license: apache-2.0
base_model: [pages/merge, else/where]
tags: ["<script>alert(1)</script>"]
---
# A merge

| contender | loss |
|---|---|
| a | 0.5 |

![barrier](barrier.png) [plot](./barrier.png) [out](../../../etc) [abs](https://example.org/x)
<!-- a remark -->
<script>alert(2)</script> <img src=x onerror=alert(3)>
[run](javascript:alert(4)) ![x](data:text/html,x) [v](VBSCRIPT:x) <javascript:alert(5)>
"""


@pytest.fixture(scope="module")
def page(hub: EmbeddedHub) -> str:
    api = hub.api()
    repo = api.create_repo("pages/merge").repo_id
    files = {
        "README.md": CARD.encode(),
        "barrier.png": PNG,
        "<img src=x onerror=alert(6)>.txt": b"</pre><script>alert(7)</script>\n",
        "sub/a b#c?.txt": b"odd",
    }
    api.create_commit(
        repo,
        [CommitOperationAdd(path, content) for path, content in files.items()],
        commit_message="<b>bold</b>",
        commit_description="<i>x</i>",
    )
    api.create_discussion(repo, title="<u>talk</u>", description="<script>alert(8)</script>")
    return f"/{repo}"


def own_markup_only(html: str) -> None:
    assert "<script" not in html.lower()
    tags = re.findall(r"<[a-z][^>]*>", html, re.IGNORECASE)
    assert not [tag for tag in tags if re.search(r"\son\w+\s*=", tag)]
    for address in re.findall(r"""(?:href|src)=["']([^"']*)""", html):
        assert not re.match(r"\s*(javascript|vbscript|data):", address, re.IGNORECASE), address


def test_the_card_is_shown_with_its_picture(http: httpx.Client, page: str) -> None:
    answer = http.get(page)
    assert answer.status_code == 200
    html = answer.text
    assert "<h1>A merge</h1>" in html
    assert "<td>0.5</td>" in html
    assert "license: apache" not in html
    assert "a remark" not in html
    picture = re.search(r'<img src="([^"]+)" alt="barrier"', html)
    assert picture
    shown = http.get(picture[1])
    assert (shown.content, shown.headers["Content-Type"]) == (PNG, "image/png")
    assert 'href="https://example.org/x"' in html
    assert f'<a href="{page}">pages/merge</a>' in html
    assert "<dd>else/where</dd>" in html


def test_files_are_linked_with_their_sizes(http: httpx.Client, page: str) -> None:
    html = http.get(page).text
    link = re.search(r'href="([^"]+a%20b%23c%3F.txt)"', html)
    assert link
    assert http.get(link[1]).content == b"odd"
    assert ">3 B<" in html


def test_hostile_text_stays_text(hub: EmbeddedHub, http: httpx.Client, page: str) -> None:
    sha = hub.api().model_info(page[1:]).sha
    for address in (
        page,
        f"{page}/commit/{sha}",
        f"{page}/discussions/1",
        "/",
        "/models",
        "/pages",
    ):
        answer = http.get(address)
        assert answer.status_code == 200, address
        own_markup_only(answer.text)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
    assert "alert(2)" not in http.get(page).text
    missing = http.get(f"{page}/tree/%3Cscript%3Ealert(9)", headers={"Accept": "text/html"})
    assert missing.status_code == 404
    assert "&lt;script&gt;alert(9)" in missing.text
    own_markup_only(missing.text)


def test_other_revisions_and_old_addresses(
    hub: EmbeddedHub, api: HfApi, http: httpx.Client, page: str
) -> None:
    opened = api.create_commit(
        page[1:],
        [CommitOperationAdd("new.txt", b"n")],
        commit_message="propose",
        create_pr=True,
    )
    request = http.get(opened.pr_url)
    link = re.search(r'href="([^"]+/tree/[^"]+)"', request.text)
    assert link
    assert "new.txt" in http.get(link[1]).text
    assert http.get(opened.commit_url).status_code == 200
    moved = http.get(f"{page}/blob/main/sub/a%20b%23c%3F.txt")
    assert moved.status_code == 302
    assert http.get(moved.headers["Location"]).content == b"odd"


def test_private_pages_need_the_owners_ticket(hub: EmbeddedHub, http: httpx.Client) -> None:
    hub.api().create_repo("pages/secret", private=True, exist_ok=True)
    browser = {"Accept": "text/html"}
    assert http.get("/pages/secret", headers=browser).status_code == 401
    assert "pages/secret" not in http.get("/").text
    assert http.get(hub.browse_url + "0").status_code == 403
    assert http.get(hub.browse_url).status_code == 303
    assert http.get("/pages/secret", headers=browser).status_code == 200
    assert http.get("/api/models/pages/secret").status_code == 401
    assert http.post("/api/repos/create", json={"name": "x"}).status_code == 401


def test_gated_pages_keep_the_card(hub: EmbeddedHub, api: HfApi, http: httpx.Client) -> None:
    repo = api.create_repo("pages/gated").repo_id
    card = b"---\nlicense: mit\n---\nhidden words"
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=repo)
    api.update_repo_settings(repo, gated="auto")
    html = http.get(f"/{repo}").text
    assert "hidden words" not in html
    assert "gated" in html
    head = api.model_info(repo).sha
    assert http.get(f"/{repo}/commit/{head}").status_code == 401
