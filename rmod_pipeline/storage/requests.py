"""One request to a store, tried again while its failure may pass; and what a failure means, in words."""

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

logger = logging.getLogger(__name__)

TRIES = 8
FIRST_PAUSE_SECONDS = 0.5
"""The most that is waited after a first failure; it doubles, and how much of it is waited is drawn."""
LONGEST_PAUSE_SECONDS = 20.0

PART_TRIES = 5
"""How often the client of S3 asks for each part of a large file, before the whole file is begun again."""

LARGE_BYTES = 32 * 2**20
"""A file from this on is too dear to be put anew for one refused part."""

TELL_FROM = 3
"""Failures in a row that are worth a warning: one or two are everyday."""

LOCAL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)

_PASSING_STATUS = (408, 409, 425, 429)
_LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError)
_LASTING_NAMES = ("NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "ProfileNotFound")
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|CREDENTIAL|ACCOUNT_KEY", re.IGNORECASE)

Result = TypeVar("Result")


class StoreError(RmodError):
    """An object store does not do what is asked of it: not there, not allowed, or failing again and again."""


class OutageError(StoreError):
    """A store fails again and again in a way that may pass: it, or the network, is down."""


class UnableError(StoreError):
    """A store has no such request."""


def store_of(address: str) -> Any:
    """Return the client of an address's store; fsspec keeps one a thread."""
    import fsspec

    scheme = address.partition("://")[0]
    options: dict[str, Any] = {"use_listings_cache": False}  # another machine may have put something this moment
    if scheme in ("s3", "s3a"):
        # One who tries again is enough, but for parts of large files: two inside each other try dozens of times.
        config = fsspec.config.conf.get("s3", {}).get("config_kwargs")
        options["config_kwargs"] = {
            "retries": {"total_max_attempts": 1},
            **(config if isinstance(config, dict) else {}),
        }
    store = fsspec.filesystem(scheme, **options)
    if scheme in ("s3", "s3a"):
        store.retries = 1
        # By itself it takes few errors for passing. It knows one such rule a process.
        import_module("s3fs.core").set_custom_error_handler(_passing)
    return store


@contextmanager
def parts_tried(store: Any) -> Iterator[None]:
    """Have the client of S3 try each part of a file again: one that is refused is not to cost all the others.

    Elsewhere who tries again is ``tried`` alone. fsspec gives every thread a client of its own.
    """
    if not hasattr(store, "retries"):  # another store's client, which has ways of its own
        yield
        return
    before, store.retries = store.retries, PART_TRIES
    try:
        yield
    finally:
        store.retries = before


def tried(request: Callable[[], Result], about: str) -> Result:
    """Return what a request gives, tried again while its failure may pass."""
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    def tell(state: RetryCallState) -> None:
        level = logging.WARNING if state.attempt_number >= TELL_FROM else logging.INFO
        said = _said(state.outcome.exception() if state.outcome else None)
        logger.log(level, "%s: %s (try %d of %d)", about, said, state.attempt_number, TRIES)

    tries = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        retry=retry_if_exception(_passing),
        before_sleep=tell,
        reraise=True,
    )
    return tries(request)


def _passing(error: BaseException) -> bool:
    """Return whether a failure may go by itself."""
    if not isinstance(error, Exception) or isinstance(error, (*_LASTING, NotImplementedError, TypeError, RmodError)):
        return False
    if type(error).__name__ in _LASTING_NAMES or getattr(error, "errno", None) in (*LOCAL_DISK, errno.ENOSYS):
        return False
    status = _status(error)
    return status is None or status >= 500 or status in _PASSING_STATUS or code_of(error) == "RequestTimeout"


def _response(error: BaseException) -> Mapping[str, Any]:
    """Return the answer of S3 that an error, or its cause, tells of."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return response
    return {}


def _status(error: BaseException) -> int | None:
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", getattr(error, "code", None))
    return int(status) if str(status).isdecimal() else None


def code_of(error: BaseException) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def complaint(address: str, error: Exception) -> StoreError:
    name, said = type(error).__name__, _said(error)
    if "Credentials" in name or name == "ProfileNotFound":
        hint = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; see docs/guides/storage.md"
        return StoreError(address, f"no credentials: {said}", hint)
    if isinstance(error, PermissionError):
        hint = "look at the credentials that are in force, and at what they may do: list, read, write and delete here"
        return StoreError(address, f"access denied: {said}", hint)
    if not _passing(error):
        return StoreError(address, f"refused: {said}", "correct the address, or look at the store's settings")
    hint = "look at the network and at AWS_ENDPOINT_URL, if that is set; then give the same command again"
    return OutageError(address, f"failed {TRIES} times: {said}", hint)


def _said(error: BaseException | None) -> str:
    """Return what an error says, in one line, without anything that the environment holds as a secret."""
    text = " ".join(str(error).split()) or type(error).__name__
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 8:
            text = text.replace(value, "...")
    return text if len(text) <= 300 else f"{text[:297]}..."
