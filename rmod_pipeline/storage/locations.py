"""Turn the text of a location into a local path or an address on an object store."""

from __future__ import annotations

import os
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
"""A local path, or an address on an object store."""


def parse_location(text: str | Location) -> Location:
    """Return the local path, with ``~`` expanded, or the store address that a text names. Makes no request to a store.

    Raises UsageError for an invalid address, for one that holds a password, and for a store whose client is not
    installed.
    """
    if isinstance(text, StorePath):
        return text
    if isinstance(text, Path):
        return expand_home(text)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        slash = _ONE_SLASH.match(text)
        if slash or "://" in text:
            hint = f"write {slash[1]}://{text[slash.end() :]}" if slash else EXAMPLE
            raise UsageError(text, "is neither a path nor an address", hint)
        return expand_home(text)
    scheme, rest = match[1].lower(), match[2].rstrip("/")
    if scheme in _LOCAL_SCHEMES:
        return expand_home(f"/{rest.lstrip('/')}" if rest.startswith("/") else rest)
    names = rest.split("/")
    if ":" in names[0].partition("@")[0] and "@" in names[0]:
        hint = "leave it out: credentials are found as the store's own tools find them, see docs/guides/storage.md"
        raise UsageError(f"{scheme}://...@{names[0].rpartition('@')[2]}", "a password in an address", hint)
    if not names[0] or any(name in ("", ".", "..") for name in names[1:]):
        raise UsageError(text, "names no bucket" if not names[0] else "has empty or dotted names in it", EXAMPLE)
    _check_scheme(scheme)
    return StorePath(f"{scheme}://{rest}")


def parse_local_path(text: str | Location, about: str = "") -> Path:
    """Return the path of this machine that a text names, with ``~`` expanded.

    Raises UsageError, about the option ``about`` if it is given, for the address of an object store.
    """
    location = parse_location(text)
    if isinstance(location, Path):
        return location
    found = "is on an object store; a file or folder of this machine is needed"
    raise UsageError(about or location, f"{location} {found}" if about else found, "give a local path")


def expand_home(path: str | Path) -> Path:
    """Return a local path whose leading ``~`` or ``~user`` is the home folder; ``./~`` names a folder called ``~``."""
    expanded = Path(os.path.expanduser(path))  # noqa: PTH111  (unlike Path.expanduser, keeps the name of no user)
    # Path drops the "./", so a second expansion would change the path.
    return expanded.absolute() if str(expanded).startswith("~") else expanded


def is_address(text: object) -> bool:
    """Return whether a text has the form of an address, not of a local path."""
    return "://" in str(text)


def with_listing(location: Location) -> Location:
    """Return the location with a list of all objects below it, which saves requests; a local path unchanged."""
    return location.with_listing() if isinstance(location, StorePath) else location


def without_cache(location: Location) -> Location:
    """Return the location without anything listed or read before, so that it asks the store; a local path unchanged."""
    return location.without_cache() if isinstance(location, StorePath) else location


def with_prefetched(location: Location, objects: Iterable[Location]) -> Location:
    """Return the location with the content of those of the objects that exist; a local path unchanged."""
    if not isinstance(location, StorePath):
        return location
    existing = [path for path in objects if isinstance(path, StorePath) and path.is_file()]
    return location.with_prefetched(existing)


def _check_scheme(scheme: str) -> None:
    """Raise UsageError if the client of a kind of store is unknown or not installed."""
    try:
        import fsspec
        import tenacity  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{scheme}://", f"{error.name} is not installed", INSTALL) from error
    from fsspec.registry import known_implementations

    if scheme not in fsspec.available_protocols():
        found = f"unknown kind of store{nearest(scheme, WELL_KNOWN)}"
        raise UsageError(f"{scheme}://", found, "write s3:// or gs://, or a path on this machine, which has no ://")
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        message = str(known_implementations.get(scheme, {}).get("err") or error)
        raise UsageError(f"{scheme}://", f"its client is not installed: {message}", _install_hint(scheme)) from error


def _install_hint(scheme: str) -> str:
    clients = {"s3": INSTALL, "s3a": INSTALL, "gs": "pip install gcsfs", "gcs": "pip install gcsfs"}
    azure = dict.fromkeys(("az", "abfs", "adl"), "pip install adlfs")
    return {**clients, **azure}.get(scheme, "install it where rmod is installed")
