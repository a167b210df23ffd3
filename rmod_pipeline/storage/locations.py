"""A text -> where it leads: a path of this machine, or an address of a store whose client is installed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.storage.store_path import StorePath

INSTALL = 'pip install "rmod-pipeline[cloud]"'
EXAMPLE = "write, for example, s3://bucket/data"

WELL_KNOWN = ("s3", "gs", "gcs", "az", "abfs", "https")

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_ONE_SLASH = re.compile(r"(s3|s3a|gs|gcs|az|abfs):/(?!/)")
_LOCAL_SCHEMES = ("file", "local")

Location = Path | StorePath


def parse_location(text: str | Location) -> Location:
    """Return where a text leads: a path of this machine, or an address of a store whose client is installed.

    Asks no store. Raises UsageError for an address that cannot be one, or that holds a password.
    """
    if isinstance(text, Path | StorePath):
        return text
    match = _ADDRESS.fullmatch(text)
    if match is None:
        slash = _ONE_SLASH.match(text)
        if slash or "://" in text:
            hint = f"write {slash[1]}://{text[slash.end() :]}" if slash else EXAMPLE
            raise UsageError(text, "is neither a path nor an address", hint)
        return Path(text)
    scheme, rest = match[1].lower(), match[2].rstrip("/")
    if scheme in _LOCAL_SCHEMES:
        return Path(f"/{rest.lstrip('/')}" if rest.startswith("/") else rest)
    names = rest.split("/")
    if ":" in names[0].partition("@")[0] and "@" in names[0]:
        hint = "leave it out: credentials are found as the store's own tools find them, see docs/guides/storage.md"
        raise UsageError(f"{scheme}://...@{names[0].rpartition('@')[2]}", "a password in an address", hint)
    if not names[0] or any(name in ("", ".", "..") for name in names[1:]):
        raise UsageError(text, "names no bucket" if not names[0] else "has empty or dotted names in it", EXAMPLE)
    _check_scheme(scheme)
    return StorePath(f"{scheme}://{rest}")


def is_address(text: object) -> bool:
    """Return whether a text is meant as an address, not as a path of this machine."""
    return "://" in str(text)


def with_listing(where: Location) -> Location:
    """Return a place that knows what is below it, if asking each time would cost a request; a local path as it is."""
    return where.listed() if isinstance(where, StorePath) else where


def without_cache(where: Location) -> Location:
    """Return a place that is asked of the store again, whatever was listed or read before; a local path as it is."""
    return where.afresh() if isinstance(where, StorePath) else where


def with_prefetched(where: Location, wanted: Iterable[Location]) -> Location:
    """Return a place that has read those of the wanted objects that are there; a local path as it is."""
    if not isinstance(where, StorePath):
        return where
    there = [each for each in wanted if isinstance(each, StorePath) and each.is_file()]
    return where.ahead(there)


def _check_scheme(scheme: str) -> None:
    try:
        import fsspec
        import tenacity  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{scheme}://", f"{error.name} is not installed", INSTALL) from error
    from fsspec.registry import known_implementations

    if scheme not in fsspec.available_protocols():
        found = f"no kind of store is called that{nearest(scheme, WELL_KNOWN)}"
        raise UsageError(f"{scheme}://", found, "s3:// and gs:// are; a path of this machine has no ://")
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        said = str(known_implementations.get(scheme, {}).get("err") or error)
        raise UsageError(f"{scheme}://", f"its client is not installed: {said}", _driver_hint(scheme)) from error


def _driver_hint(scheme: str) -> str:
    drivers = {"s3": INSTALL, "s3a": INSTALL, "gs": "pip install gcsfs", "gcs": "pip install gcsfs"}
    azure = dict.fromkeys(("az", "abfs", "adl"), "pip install adlfs")
    return {**drivers, **azure}.get(scheme, "install it where rmod is installed")
