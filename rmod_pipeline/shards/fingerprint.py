"""Read, write and compare build.json, the fingerprint: everything that decides the bytes of a data set.

A build continues only a folder with an equal fingerprint, so a resumed build never mixes two data sets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.effects import CONSOLE, FUSED, FUSED_VERSION
from rmod_pipeline.effects.console import console_version
from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.spec import IMPORTED
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.process_identity import package_version
from rmod_pipeline.storage.publish import publish_new

DECISIVE_PACKAGES = (
    "librosa", "numpy", "pedalboard", "pyarrow", "pyloudnorm", "scipy", "soundfile", "soxr",
)  # fmt: skip
"""Packages whose version can change the bytes."""

REQUIRED_KEYS = ("recipe", "library", "seed", "pairs", "shard_size", "engine", "format", "stems", "audio", "versions")
"""Keys that every build.json has."""

LICENCES = "licences"
"""Key below ``library``: the class of licences that the sounds were limited to. It is absent if they were not."""

GROOVES = "grooves"
"""Key of the performances that the pairs play: digest and number. It is absent if they play random hits."""

Fingerprint = Mapping[str, Any]
"""The content of a build.json, a codec.json or a features.json."""


def output_versions(engine: str) -> dict[str, str]:
    """Return the version of rmod's output, and of every package that can change the bytes, by name."""
    versions = {"rmod output": str(OUTPUT_VERSION)}
    versions |= {package: package_version(package, "missing") for package in DECISIVE_PACKAGES}
    if engine == CONSOLE:
        versions["pymixconsole"] = console_version()
    if engine == FUSED:
        versions["rmod fused engine"] = str(FUSED_VERSION)
    return versions


def is_imported(fingerprint: Fingerprint) -> bool:
    """Return whether a data set was imported from a folder of pairs, and not built from a recipe."""
    return bool(fingerprint.get("engine") == IMPORTED)


def fingerprint_digest(fingerprint: Fingerprint) -> str:
    """Return the SHA-256 of a fingerprint."""
    return hashlib.sha256(encode_fingerprint(fingerprint)).hexdigest()


def check_folder(fingerprint: Fingerprint, path: Location) -> bool:
    """Return whether the folder has a build.json; writes nothing.

    Raises BuildError if the file differs or is damaged, if only shards exist, and for a folder of something else.
    """
    if not path.exists():
        left = [name for name in ("audio", "index", "receipts", "tokens", "features") if (path.parent / name).exists()]
        if left:
            found = f"has {', '.join(left)} but no {path.name}, so it is unknown what they were made from"
            raise BuildError(path.parent, found, f"choose another --out, or put {path.name} back")
        if isinstance(path, Path) and (foreign := _find_foreign(path.parent)):
            raise BuildError(path.parent, f"holds {foreign}, and no data set", "choose a new or an empty folder")
        return False
    try:
        existing = read_fingerprint(path)
    except ShardError as error:
        raise BuildError(path, error.found, f"choose another --out, or put the old {path.name} back") from error
    hint = "choose another --out, or give the options that it was built with"
    refuse_differences(existing, fingerprint, path.parent, "another data set", hint)
    return True


_LOG = "log"
"""A build that has just begun may have written this folder alone."""


def _find_foreign(folder: Path) -> str:
    """Return the first entry of a folder that has no data set, without what a build that has just begun leaves."""
    try:
        return min((each.name for each in folder.iterdir() if each.name != _LOG and each.name[0] != "."), default="")
    except OSError:
        return ""  # it does not exist yet, or cannot be listed, which writing will show


def claim_folder(fingerprint: Fingerprint, path: Location, drafts: Path) -> None:
    """Write build.json to a new folder. Raises BuildError if another build has just written a different one."""
    if not publish_new(encode_fingerprint(fingerprint), path, drafts):
        check_folder(fingerprint, path)


def refuse_differences(existing: Fingerprint, requested: Fingerprint, about: object, content: str, hint: str) -> None:
    """Raise BuildError, which names each difference, unless the existing fingerprint equals the requested one.

    ``content`` says what a folder with another fingerprint holds.
    """
    differences = list(_find_differences(existing, json.loads(encode_fingerprint(requested))))
    if differences:
        listed = "\n  ".join(differences[:8]) + ("\n  ..." if len(differences) > 8 else "")
        raise BuildError(about, f"holds {content}:\n  {listed}", hint)


def read_fingerprint(path: Location) -> dict[str, Any]:
    """Read a build.json. Raises ShardError."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        hint = "give the folder that a build wrote"
        raise ShardError(path, f"no data set here: {getattr(error, 'strerror', None) or error}", hint) from error
    missing = [key for key in REQUIRED_KEYS if not isinstance(content, dict) or key not in content]
    if missing:
        hint = "give the folder that a build wrote"
        raise ShardError(path, f"no data set here: not a build.json, it lacks {', '.join(missing)}", hint)
    try:
        pairs = {str(split): int(count) for split, count in content["pairs"].items()}
        return {**content, "pairs": pairs, "shard_size": max(int(content["shard_size"]), 1)}
    except (AttributeError, TypeError, ValueError) as error:
        raise ShardError(path, f"not a build.json: {error}", "build the data set again in another folder") from error


def encode_fingerprint(fingerprint: Fingerprint) -> bytes:
    """Return a fingerprint as the JSON of a build.json."""
    return json.dumps(fingerprint, indent=1, sort_keys=False).encode() + b"\n"


def _find_differences(existing: Any, requested: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each value that differs; ``path`` names the values above, as in ``recipe.drums``."""
    if isinstance(existing, dict) and isinstance(requested, dict):
        for key in dict.fromkeys([*existing, *requested]):
            yield from _find_differences(existing.get(key), requested.get(key), f"{path}.{key}" if path else str(key))
        # The recipe's order of drums and loops decides the order in the tar and of the sum.
        if list(existing) != list(requested) and set(existing) == set(requested):
            yield f"{path}: existing order {', '.join(existing)}; requested order {', '.join(requested)}"
    elif isinstance(existing, list) and isinstance(requested, list) and len(existing) == len(requested):
        for position, values in enumerate(zip(existing, requested, strict=True)):
            yield from _find_differences(*values, f"{path}.{position}")
    elif existing != requested:
        yield f"{path}: existing {_shorten(existing)}, requested {_shorten(requested)}"


def _shorten(value: Any) -> str:
    text = json.dumps(value) if value is not None else "nothing"
    return text if len(text) <= 60 else text[:57] + "..."
