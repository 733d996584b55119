"""Running the embedded Hub: in a terminal (`serve`) or for a `with` block (`embedded_hub`)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from platformdirs import user_cache_path

from hubmerge.errors import HubUnavailableError, RecipeError
from hubmerge.errors.wording import option
from hubmerge.localhub.accounts import OWNER, Accounts, Role
from hubmerge.localhub.application import application
from hubmerge.localhub.connections import PatientProtocol
from hubmerge.localhub.disk import Disk
from hubmerge.localhub.environment import LOOPBACK, client_environment
from hubmerge.localhub.jobs import LocalJobs
from hubmerge.localhub.links import Links
from hubmerge.localhub.store import Store
from hubmerge.localhub.text_process import TextProcess

if TYPE_CHECKING:
    from huggingface_hub import HfApi

DEFAULT_PORT = 8484

IDLE_SECONDS = 75
"""How long a connection without requests stays open. The Hub's client uses one again for 5 s: a
server that hangs up first, or in that very moment, resets a request that is under way."""


def default_root() -> Path:
    """Where `hubmerge hub serve` keeps its data: `hubmerge/hub` in the user's cache folder."""
    return user_cache_path("hubmerge", appauthor=False) / "hub"


class EmbeddedHub:
    """A Hub on loopback, served by a thread of this process from `root`.

    `stop` and `start` keep the address; requests under way are cut off.

    jobs: runs hubmerge's own jobs as processes of this machine, for the owner; None: none are run.
    """

    def __init__(self, root: Path, port: int = 0, jobs: LocalJobs | None = None) -> None:
        self.root = root.expanduser().resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        self._port = port
        self._jobs = jobs
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._store: Store | None = None
        self._texts = TextProcess()

    @property
    def url(self) -> str:
        """Value of `HF_ENDPOINT`; no slash at the end."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def users(self) -> Accounts:
        """The accounts of this Hub."""
        return Accounts(self._disk)

    @property
    def token(self) -> str:
        """Token of the Hub's owner, who may do everything."""
        return self.users.owner_token

    @property
    def browse_url(self) -> str:
        """Address that shows the Hub to a browser as its owner sees it, private parts included."""
        return f"{self.url}/-/browse/{Links(self._disk).ticket(OWNER)}"

    def add_user(self, name: str, role: Role = "write") -> str:
        """Adds a user and returns its token. Roles: see `hubmerge.localhub.accounts`."""
        return self.users.add(name, role)

    def api(self, token: str | bool | None = None) -> HfApi:
        """A client for this Hub, signed in as its owner by default (False: anonymous).

        Enough for most calls; `ModelCard.push_to_hub`, `transformers` and `datasets` read
        `HF_ENDPOINT` when they are imported, so they need `environment()` and a process.
        """
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.url, token=self.token if token is None else token)

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """The whole environment for a process whose Hub is this one.

        `home` becomes its `HF_HOME` (caches, and no other credentials); `token` is the owner's by
        default, and "" means anonymous.
        """
        return client_environment(self.url, self.token if token is None else token, home)

    def start(self) -> None:
        """Serves; returns when connections are accepted."""
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        self._store = Store(self.root)
        users, links = Accounts(self._store.disk), Links(self._store.disk)
        self._texts = TextProcess()
        config = uvicorn.Config(
            application(self._store, users, links, self._texts, self._jobs),
            http=PatientProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_keep_alive=IDLE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="embedded-hub", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)

    def stop(self) -> None:
        """Stops at once. Data on disk stays consistent."""
        if self._server is None or self._thread is None or self._store is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        if self._jobs is not None:
            self._jobs.close()
        self._store.disk.close()
        self._texts.close()
        self._server = self._thread = self._store = None

    @property
    def _disk(self) -> Disk:
        if self._store is None:
            raise HubUnavailableError("the embedded Hub is stopped", hint="call start() first")
        return self._store.disk

    def wait(self) -> None:
        """Blocks until the server ends."""
        if self._thread is not None:
            self._thread.join()


@contextmanager
def embedded_hub(root: Path, port: int = 0, jobs: LocalJobs | None = None) -> Iterator[EmbeddedHub]:
    """A Hub for the duration of a `with` block, on a free port unless one is given.

    with embedded_hub(tmp_path) as hub:
        subprocess.run([...], env=hub.environment(home=tmp_path / "home"))
    """
    hub = EmbeddedHub(root, port, jobs)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def serve(root: Path | None = None, port: int = DEFAULT_PORT) -> None:
    """Serves until Ctrl-C and prints how to reach it. Port 0 takes a free one."""
    try:
        with embedded_hub(root or default_root(), port) as hub:
            print(_welcome(hub), flush=True)
            hub.wait()
    except KeyboardInterrupt:
        print("\nstopped; everything is on disk", flush=True)


def _listen(port: int) -> socket.socket:
    """A socket on loopback only."""
    # Named in full: asyncio turns Nagle's algorithm off only on sockets that say they are TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise RecipeError(
            f"cannot serve on {LOOPBACK}:{port}",
            found=str(error),
            hint=f"another port, or {option('port', 0)} for any free one",
            field="port",
        ) from None
    listener.listen(128)
    return listener


def _welcome(hub: EmbeddedHub) -> str:
    return f"""\
Embedded Hub at {hub.url}
  look at   {hub.browse_url}
  data in   {hub.root}
  tokens in {hub.users.path}

Point any Hugging Face client to it, before it starts:
  export HF_ENDPOINT={hub.url}
  export HF_TOKEN={hub.token}
  export HF_HUB_DISABLE_XET=1 NO_PROXY={LOOPBACK}

Ctrl-C stops it."""
