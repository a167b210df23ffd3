"""What a machine must have in common with the others to take part in a build: versions, code, and the same files.

Sent to other machines as source, so that it runs where rmod is missing too: it imports nothing but Python's own.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

MISSING = "missing"
MOST_SAID = 4


def node_facts(packages: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """Return what this machine has: Python, rmod's code, the versions of packages, the SHA-256 of files."""
    python = ".".join(platform.python_version_tuple()[:2])
    versions = {package: _version(package) for package in packages}
    return {"Python": python, "rmod's code": _code(), **versions, **{file: _digest(Path(file)) for file in files}}


def node_complaints(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Say in what a machine differs from the one that asks; nothing if it may take part."""
    found = []
    for name, expected in here.items():
        got = there.get(name, MISSING)
        if got == expected:
            continue
        if name.startswith("/"):
            found.append(f"cannot read {name}" if got == MISSING else f"{name} is another file there")
        elif len(expected) == 64:
            found.append(f"{name} is missing" if got == MISSING else f"{name} is another")
        else:
            found.append(f"{name} is {got}, not {expected}")
    more = f"; and {len(found) - MOST_SAID} more" if len(found) > MOST_SAID else ""
    return "; ".join(found[:MOST_SAID]) + more


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return MISSING


def _code() -> str:
    """Return the digest of the package as it lies there: a checkout may have changed since its version was given."""
    found = importlib.util.find_spec("rmod_pipeline")
    if found is None or found.origin is None:
        return MISSING
    folder, code = Path(found.origin).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        code.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return code.hexdigest()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return MISSING
