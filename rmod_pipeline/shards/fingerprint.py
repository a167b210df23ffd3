"""build.json: all that decides a data set's bytes, so that a resume never mixes two data sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.effects import CONSOLE
from rmod_pipeline.effects.console import console_version
from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.shards.publish import publish_bytes

DECISIVE = (
    "librosa", "mido", "miditoolkit", "numpy", "pedalboard", "pyarrow", "pyloudnorm", "scipy", "soundfile", "soxr",
)  # fmt: skip
"""Packages whose version can change the bytes."""

Fingerprint = Mapping[str, Any]


def versions(engine: str) -> dict[str, str]:
    """Return the version of rmod's output and of every package that can change the bytes."""
    found = {"rmod output": str(OUTPUT_VERSION)}
    for package in DECISIVE:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    if engine == CONSOLE:
        found["pymixconsole"] = console_version()
    return found


def digest(fingerprint: Fingerprint) -> str:
    """Return the SHA-256 of a fingerprint."""
    return hashlib.sha256(_encode(fingerprint)).hexdigest()


def claim_folder(fingerprint: Fingerprint, path: Path, drafts: Path) -> None:
    """Make a data set's build.json, or check that the one that stands there says the same. Raises BuildError."""
    if not path.exists():
        publish_bytes(_encode(fingerprint), path, drafts)
        return
    found = read_fingerprint(path)
    differences = list(_differences(found, json.loads(_encode(fingerprint))))
    if differences:
        listed = "\n  ".join(differences[:8]) + ("\n  ..." if len(differences) > 8 else "")
        raise BuildError(
            path.parent,
            f"holds another data set than the one asked for:\n  {listed}",
            "choose another --out, or give the options that it was built with",
        )


def read_fingerprint(path: Path) -> dict[str, Any]:
    """Read a build.json. Raises ShardError."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        hint = "give the folder that `rmod build --out` wrote"
        raise ShardError(path, f"no data set here: {error}", hint) from error
    if not isinstance(content, dict) or "recipe" not in content:
        raise ShardError(path, "no data set here: not a build.json", "give the folder that `rmod build --out` wrote")
    return content


def _encode(fingerprint: Fingerprint) -> bytes:
    return json.dumps(fingerprint, indent=1, sort_keys=False).encode() + b"\n"


def _differences(there: Any, asked: Any, place: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*there, *asked]):
            yield from _differences(there.get(key), asked.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(there, list) and isinstance(asked, list) and len(there) == len(asked):
        for position, (one, other) in enumerate(zip(there, asked, strict=True)):
            yield from _differences(one, other, f"{place}.{position}")
    elif there != asked:
        yield f"{place}: there {_short(there)}, asked for {_short(asked)}"


def _short(value: Any) -> str:
    text = json.dumps(value) if value is not None else "nothing"
    return text if len(text) <= 60 else text[:57] + "..."
