"""Compare what the machines of a cluster must have in common: versions, code, and readable files.

``node_facts`` is sent to other machines as source, so that it runs where rmod is missing. Therefore this module
imports only the standard library.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict

MISSING = "missing"
MOST_LISTED = 4
"""Differences that a message lists."""


class NodeFacts(TypedDict):
    """What a machine has."""

    python: str
    """Version of Python, such as ``3.12``."""
    code: str
    """Digest of rmod's code, or ``missing``."""
    packages: Mapping[str, str]
    """Versions by package, or ``missing``."""
    files: Mapping[str, str]
    """SHA-256 by absolute path, or ``missing``."""


def node_facts(packages: Iterable[str], files: Iterable[str]) -> NodeFacts:
    """Return the facts of this machine, with the given packages and files."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "code": _code_digest(),
        "packages": {package: _package_version(package) for package in packages},
        "files": {file: _file_digest(Path(file)) for file in files},
    }


def describe_differences(node: NodeFacts, expected: NodeFacts) -> str | None:
    """Return how a machine differs from the driver's; None if it may take part."""
    differences = []
    if node["python"] != expected["python"]:
        differences.append(f"Python is {node['python']}, not {expected['python']}")
    if node["code"] != expected["code"]:
        differences.append("rmod's code is missing" if node["code"] == MISSING else "rmod's code differs")
    for package, version in expected["packages"].items():
        found = node["packages"].get(package, MISSING)
        if found != version:
            differences.append(f"{package} is {found}, not {version}")
    for file, digest in expected["files"].items():
        found = node["files"].get(file, MISSING)
        if found != digest:
            differences.append(f"cannot read {file}" if found == MISSING else f"{file} differs there")
    if not differences:
        return None
    more = f"; and {len(differences) - MOST_LISTED} more" if len(differences) > MOST_LISTED else ""
    return "; ".join(differences[:MOST_LISTED]) + more


def _package_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return MISSING


def _code_digest() -> str:
    """Return a digest of the installed source of rmod: a checkout may have changed since its version was set."""
    package = importlib.util.find_spec("rmod_pipeline")
    if package is None or package.origin is None:
        return MISSING
    folder, digest = Path(package.origin).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return MISSING
