"""Send one request to an object store: retry it while its failure may be temporary, and describe the failure."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from rmod_pipeline.errors import RmodError
from rmod_pipeline.storage.writing import LOCAL_DISK_ERRNOS

logger = logging.getLogger(__name__)

TRIES = 8
FIRST_PAUSE_SECONDS = 0.5
"""Longest pause after the first failure. The limit doubles with each failure, and each pause is random below it."""
LONGEST_PAUSE_SECONDS = 20.0

PART_TRIES = 5
"""Requests that the S3 client makes for each part of a large file before the whole file is sent again."""

LARGE_BYTES = 32 * 2**20
"""Size from which a file is too expensive to be sent again because of one refused part."""

WRITE_SECONDS = 60.0
"""How long a store may take to accept a write, beside the time that its bytes take."""
SLOWEST_BYTES_PER_SECOND = 100_000
"""The slowest upload that counts as one that goes on."""

WARN_AFTER_FAILURES = 3
"""Failures of one request before a warning is logged: one or two are common."""

_TEMPORARY_STATUS = (408, 409, 425, 429)
_PERMANENT = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError)
# Exception types of botocore, by name: botocore is installed only with the S3 client.
_PERMANENT_NAMES = ("NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "ProfileNotFound")
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|CREDENTIAL|ACCOUNT_KEY", re.IGNORECASE)

Result = TypeVar("Result")


class StoreError(RmodError):
    """An object store cannot be reached, refuses a request, or fails repeatedly."""


class OutageError(StoreError):
    """A store fails repeatedly in a way that may be temporary: the store or the network is down."""


class UnsupportedError(StoreError):
    """A store does not support a request."""


def open_store(address: str) -> Any:
    """Return the fsspec client of an address's store; fsspec keeps one per thread."""
    import fsspec

    scheme = address.partition("://")[0]
    options: dict[str, Any] = {"use_listings_cache": False}  # another machine may have just written an object
    if scheme in ("s3", "s3a"):
        # The client itself must not retry, except parts of large files: retries inside retries multiply.
        config = fsspec.config.conf.get("s3", {}).get("config_kwargs")
        options["config_kwargs"] = {
            "retries": {"total_max_attempts": 1},
            **(config if isinstance(config, dict) else {}),
        }
    store = fsspec.filesystem(scheme, **options)
    if scheme in ("s3", "s3a"):
        store.retries = 1
        # By default s3fs takes few errors for temporary. This rule holds for the whole process.
        import_module("s3fs.core").set_custom_error_handler(_is_temporary)
    return store


@contextmanager
def retry_parts(store: Any) -> Iterator[None]:
    """Let the S3 client retry each part of a file, so that one refused part does not cost all the others.

    All other requests are retried by ``retry_request`` alone. fsspec gives every thread its own client, so the change
    affects this thread only.
    """
    if not hasattr(store, "retries"):  # not S3: other clients retry parts in their own way
        yield
        return
    before, store.retries = store.retries, PART_TRIES
    try:
        yield
    finally:
        store.retries = before


def retry_request(request: Callable[[], Result], about: str) -> Result:
    """Return the result of a request, retried while its failure may be temporary. Raises the last failure."""
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    def log_failure(state: RetryCallState) -> None:
        level = logging.WARNING if state.attempt_number >= WARN_AFTER_FAILURES else logging.INFO
        message = _error_message(state.outcome.exception() if state.outcome else None)
        logger.log(level, "%s: %s (try %d of %d)", about, message, state.attempt_number, TRIES)

    retrying = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        retry=retry_if_exception(_is_temporary),
        before_sleep=log_failure,
        reraise=True,
    )
    return retrying(request)


def write_limit(store: Any, size: int) -> dict[str, float]:
    """Return the option that limits how long a write of ``size`` bytes may take.

    Clients give up a read when no byte arrives, but wait without end for a store that does not take what they send.
    """
    if not getattr(store, "async_impl", False):
        return {}
    return {"timeout": WRITE_SECONDS + size / SLOWEST_BYTES_PER_SECOND}


def error_code(error: BaseException) -> str:
    """Return the error code in the response of S3, such as ``NoSuchBucket``; empty if there is none."""
    return str(_response(error).get("Error", {}).get("Code", ""))


def describe_store_error(address: str, error: Exception) -> StoreError:
    """Return a StoreError that says why a request failed and what to do."""
    kind, message = type(error).__name__, _error_message(error)
    if "Credentials" in kind or kind == "ProfileNotFound":
        hint = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; see docs/guides/storage.md"
        return StoreError(address, f"no credentials: {message}", hint)
    if isinstance(error, PermissionError):
        hint = "check which credentials are in use, and that they allow to list, read, write and delete here"
        return StoreError(address, f"access denied: {message}", hint)
    if not _is_temporary(error):
        hint = "correct the address, or AWS_ENDPOINT_URL if it is set, or the settings of the store"
        return StoreError(address, f"refused: {message}", hint)
    hint = "check the network, and AWS_ENDPOINT_URL if it is set; then give the same command again"
    return OutageError(address, f"failed {TRIES} times: {message}", hint)


def _is_temporary(error: BaseException) -> bool:
    """Return whether a failure may disappear without any change by the user."""
    if not isinstance(error, Exception) or isinstance(error, (*_PERMANENT, NotImplementedError, TypeError, RmodError)):
        return False
    if type(error) is ValueError:  # a setting that the client does not understand; answers raise subclasses
        return False
    if type(error).__name__ in _PERMANENT_NAMES or getattr(error, "errno", None) in (*LOCAL_DISK_ERRNOS, errno.ENOSYS):
        return False
    status = _http_status(error)
    return status is None or status >= 500 or status in _TEMPORARY_STATUS or error_code(error) == "RequestTimeout"


def _response(error: BaseException) -> Mapping[str, Any]:
    """Return the response of S3 that an error or its cause carries; empty if there is none."""
    for carrier in (error, error.__cause__):
        response = getattr(carrier, "response", None)
        if isinstance(response, dict):
            return response
    return {}


def _http_status(error: BaseException) -> int | None:
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", getattr(error, "code", None))
    return int(status) if str(status).isdecimal() else None


def _error_message(error: BaseException | None) -> str:
    """Return an error's message as one short line, without any secret from the environment."""
    text = " ".join(str(error).split()) or type(error).__name__
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 8:
            text = text.replace(value, "...")
    return text if len(text) <= 300 else f"{text[:297]}..."
