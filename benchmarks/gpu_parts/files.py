"""Split a file into parts of a limited size, with the command that joins them; find what a bundle brings."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import UsageError

PART_BYTES = 15 * 2**20
BUNDLE = "bundle.json"
"""The list of a bundle's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFile:
    """A file in parts."""

    parts: tuple[Path, ...]
    sha256: str
    """Of the whole file."""
    command: str
    """Joins the parts in their folder, and checks the whole."""


def split_file(source: Path, out: Path, name: str, most_bytes: int = PART_BYTES) -> SplitFile:
    """Write a file to a folder in parts of at most ``most_bytes``: NAME.part-00, NAME.part-01, ... Old parts go."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob(f"{name}.part-*"):
        old.unlink()
    content = source.read_bytes()
    parts = []
    for number, start in enumerate(range(0, max(len(content), 1), most_bytes)):
        parts.append(out / f"{name}.part-{number:02d}")
        parts[-1].write_bytes(content[start : start + most_bytes])
    digest = hashlib.sha256(content).hexdigest()
    command = f"cat {name}.part-* > {name} && test \"$(sha256sum < {name})\" = '{digest}  -' && echo {name}: OK"
    return SplitFile(parts=tuple(parts), sha256=digest, command=command)


def clear(folder: Path, names: Iterable[str]) -> None:
    """Remove what a folder holds under some names, each a file or a folder: what was made before is not measured."""
    for name in names:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def read_bundle(folder: Path) -> dict[str, Any]:
    """Return the list of a bundle. Raises UsageError if there is none, or if a file of it is missing or cut."""
    path = folder / BUNDLE
    hint = "make it again: python benchmarks/gpu_bundle.py --help"
    try:
        content = json.loads(path.read_bytes())
        files = {str(name): int(size) for name, size in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"--bundle {folder}", f"no bundle: {BUNDLE} cannot be read ({error})", hint) from error
    for name, size in files.items():
        file = folder / name
        if not file.is_file():
            raise UsageError(f"--bundle {folder}", f"{name} is missing", f"copy the whole folder, or {hint}")
        if file.stat().st_size != size:
            found = f"{name} has {file.stat().st_size:,} bytes, {size:,} expected"
            raise UsageError(f"--bundle {folder}", found, f"copy the whole folder, or {hint}")
    return dict(content)
