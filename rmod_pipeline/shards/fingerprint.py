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
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import publish_new

DECISIVE = (
    "librosa", "mido", "miditoolkit", "numpy", "pedalboard", "pyarrow", "pyloudnorm", "scipy", "soundfile", "soxr",
)  # fmt: skip
"""Packages whose version can change the bytes."""

SAID = ("recipe", "library", "seed", "pairs", "shard_size", "engine", "format", "stems", "audio", "versions")
"""What every build.json holds."""

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
    return hashlib.sha256(encode_fingerprint(fingerprint)).hexdigest()


def claim_folder(fingerprint: Fingerprint, path: Location, drafts: Path) -> None:
    """Make a data set's build.json unless the one that stands there says the same. Raises BuildError, ShardError."""
    if not path.exists():
        publish_new(encode_fingerprint(fingerprint), path, drafts)
    check_folder(fingerprint, path)  # of two builds that begin at once, one finds the other's here


def check_folder(fingerprint: Fingerprint, path: Location) -> None:
    """Check that a build.json, if there is one, says the same. Writes nothing. Raises BuildError, ShardError."""
    if not path.exists():
        left = [name for name in ("audio", "index", "receipts", "tokens") if (path.parent / name).exists()]
        if left:
            said = f"holds {', '.join(left)} but no {path.name}: what they were made from cannot be told"
            raise BuildError(path.parent, said, f"choose another --out, or put {path.name} back")
        return
    hint = "choose another --out, or give the options that it was built with"
    refuse_differences(
        read_fingerprint(path), fingerprint, path.parent, "another data set than the one asked for", hint
    )


def refuse_differences(there: Fingerprint, asked: Fingerprint, about: object, what: str, hint: str) -> None:
    """Raise BuildError, naming each difference, if what stands in a folder is not what is asked for."""
    differences = list(_differences(there, json.loads(encode_fingerprint(asked))))
    if differences:
        listed = "\n  ".join(differences[:8]) + ("\n  ..." if len(differences) > 8 else "")
        raise BuildError(about, f"holds {what}:\n  {listed}", hint)


def read_fingerprint(path: Location) -> dict[str, Any]:
    """Read a build.json. Raises ShardError."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        hint = "give the folder that `rmod build --out` wrote"
        raise ShardError(path, f"no data set here: {getattr(error, 'strerror', None) or error}", hint) from error
    lacking = [name for name in SAID if not isinstance(content, dict) or name not in content]
    if lacking:
        hint = "give the folder that `rmod build --out` wrote"
        raise ShardError(path, f"no data set here: not a build.json, it lacks {', '.join(lacking)}", hint)
    try:
        pairs = {str(split): int(count) for split, count in content["pairs"].items()}
        return {**content, "pairs": pairs, "shard_size": max(int(content["shard_size"]), 1)}
    except (AttributeError, TypeError, ValueError) as error:
        raise ShardError(path, f"not a build.json: {error}", "build the data set again in another folder") from error


def encode_fingerprint(fingerprint: Fingerprint) -> bytes:
    """Return the JSON of a fingerprint, as it stands on the disk."""
    return json.dumps(fingerprint, indent=1, sort_keys=False).encode() + b"\n"


def _differences(there: Any, asked: Any, place: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*there, *asked]):
            yield from _differences(there.get(key), asked.get(key), f"{place}.{key}" if place else str(key))
        # Drums and loops stand in the tar, and add up, in the recipe's order.
        if list(there) != list(asked) and set(there) == set(asked):
            yield f"{place}: there in the order {', '.join(there)}; asked for in the order {', '.join(asked)}"
    elif isinstance(there, list) and isinstance(asked, list) and len(there) == len(asked):
        for position, (one, other) in enumerate(zip(there, asked, strict=True)):
            yield from _differences(one, other, f"{place}.{position}")
    elif there != asked:
        yield f"{place}: there {_short(there)}, asked for {_short(asked)}"


def _short(value: Any) -> str:
    text = json.dumps(value) if value is not None else "nothing"
    return text if len(text) <= 60 else text[:57] + "..."
