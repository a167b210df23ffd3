"""Copying the sounds of a scan beside a manifest that stands elsewhere, so that its paths need not leave its folder."""

from __future__ import annotations

import secrets
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from rmod_pipeline.errors import AssetError, UsageError
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.near import Progress
from rmod_pipeline.library.read import read_bytes


def copy_sounds(assets: list[Asset], folder: Path, manifest: Path, progress: Progress | None = None) -> list[Asset]:
    """Copy sounds, whose paths are relative to ``folder``, into a folder beside the manifest that bears its name.

    Returns the rows with their new paths. A copy that is there already is not written again. Raises AssetError for a
    file that changed since it was scanned, and UsageError if the copies cannot be written.
    """
    copied = []
    for done, asset in enumerate(assets, start=1):
        row = replace(asset, path=f"{manifest.stem}/{asset.path}")
        target = manifest.parent / row.path
        if not _holds(target, asset.sha256):
            data = read_bytes(folder / asset.path)
            if sha256(data).hexdigest() != asset.sha256:
                raise AssetError(folder / asset.path, "changed during the scan", "scan again")
            _write(target, data)
        copied.append(row)
        if progress:
            progress("Copying", done, len(assets))
    return copied


def _holds(path: Path, expected_sha256: str) -> bool:
    try:
        return not path.is_symlink() and sha256(read_bytes(path)).hexdigest() == expected_sha256
    except AssetError:
        return False


def _write(path: Path, data: bytes) -> None:
    # A short name, because the file's own may be as long as a name can be.
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(path, f"cannot be written: {error.strerror}", "choose another --out") from error
    finally:
        temporary.unlink(missing_ok=True)
