"""What the Hub says about jobs, as errors of hubmerge's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import HfHubHTTPError

from hubmerge.errors import AccessError, NotFoundError, RecipeError
from hubmerge.errors.wording import action
from hubmerge.hub.client import endpoint, translate


@contextmanager
def about_jobs(account: str, job: str | None = None) -> Iterator[None]:
    """Turns what the client raises inside into errors about the jobs of `account`.

    job: the one that is asked about.
    Raises: AccessError, NotFoundError, RecipeError, HubUnavailableError.
    """
    try:
        yield
    except HfHubHTTPError as error:
        status, said = error.response.status_code, error.server_message or f"status {error}"
        if status == 402:
            raise AccessError(
                f"{account} cannot pay for a job",
                found=said,
                source=endpoint(),
                hint=f"jobs need a positive credit balance: {endpoint()}/settings/billing",
            ) from error
        if status == 403:
            raise AccessError(
                f"your token may not run jobs of {account}",
                found=said,
                source=endpoint(),
                hint="a token with the write role, or a fine-grained one that may start and manage "
                f"jobs ({endpoint()}/settings/tokens); and an account with a positive credit "
                f"balance. {action('whose token')}",
            ) from error
        if status == 404:
            raise NotFoundError(
                f"{endpoint()} runs no jobs" if job is None else f"the job {job} no longer exists",
                found=said,
                source=endpoint(),
                hint=None if job is None else "what it has published stays; start it again",
            ) from error
        if status == 400:
            raise RecipeError(
                "the Hub does not take the job", found=said, source=endpoint(), field="on"
            ) from error
        with translate(f"jobs of {account}"):
            raise
    except Exception:
        with translate(f"jobs of {account}"):
            raise
