"""List the files of a source: a folder of sounds, or a manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rmod_pipeline.curation.organise.kinds import MANIFEST, NAME
from rmod_pipeline.curation.organise.records import SourceLeftover
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.kinds.describe import PathDescription, describe_paths
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.scanning.formats import UNREADABLE_FORMAT
from rmod_pipeline.library.scanning.walk import FolderContents, find_audio_files
from rmod_pipeline.storage import Location

_SOURCE_HINT = "name a folder of sounds, or the manifest of a scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file to be measured."""

    path: str
    """POSIX path relative to the source's folder."""
    description: PathDescription
    kind_from: str = NAME
    """What gave its kind: its names or a manifest."""
    sha256: str = ""
    """That a manifest gives; empty if none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFiles:
    """All files of a source, before any is read."""

    folder: Path
    """Real path of the folder that paths are relative to."""
    inner_folder: Path
    """Real path of the innermost folder that holds all files: the tree must lie outside of it."""
    files: tuple[SourceFile, ...]
    """Sorted by path."""
    leftovers: tuple[SourceLeftover, ...] = field(default=())

    def locate(self, path: str) -> Path:
        """Return where a file lies."""
        return self.folder / path


def open_source(path: Path) -> SourceFiles:
    """List the files of a folder, or of a manifest.

    Raises UsageError if there is no such folder or file or it holds no audio, and ManifestError for a bad manifest.
    """
    if path.is_dir():
        return _open_folder(path)
    if path.suffix.lower() == ".csv":
        return _open_manifest(path)
    found = "is a file, not a manifest" if path.exists() else "no such folder or manifest"
    raise UsageError(path, found, _SOURCE_HINT)


def _open_folder(path: Path) -> SourceFiles:
    folder = Path(os.path.realpath(path))
    contents = find_audio_files(folder, folder)
    leftovers = tuple(_list_leftovers(contents, folder))
    if not contents.files and not any(leftover.is_audio for leftover in leftovers):
        raise UsageError(path, f"no audio file in it ({len(leftovers)} others)", _SOURCE_HINT)
    names = [PurePosixPath(file.relative_to(folder).as_posix()) for file in contents.files]
    descriptions = describe_paths(names)
    return SourceFiles(
        folder=folder,
        inner_folder=folder,
        files=tuple(SourceFile(path=str(name), description=descriptions[name]) for name in sorted(names, key=str)),
        leftovers=leftovers,
    )


def _list_leftovers(contents: FolderContents, folder: Path) -> Iterator[SourceLeftover]:
    for path, reason in (*contents.dropped, *contents.ignored):
        name = path.relative_to(folder).as_posix()
        printable = name.encode("utf-8", "backslashreplace").decode()
        # A name that is not UTF-8 cannot stand in a CSV, so such a file could not be found again.
        is_audio = reason == UNREADABLE_FORMAT and printable == name and not path.is_symlink()
        yield SourceLeftover(path=printable, reason=reason, is_audio=is_audio)


def _open_manifest(path: Path) -> SourceFiles:
    library = load_library(path)
    folder = Path(os.path.realpath(_require_local(library.root, path)))
    assets = sorted(library.assets, key=lambda asset: asset.path)
    inner = os.path.commonpath([os.path.realpath((folder / asset.path).parent) for asset in assets])
    return SourceFiles(
        folder=folder,
        inner_folder=Path(inner),
        files=tuple(_make_source_file(asset) for asset in assets),
    )


def _make_source_file(asset: Asset) -> SourceFile:
    description = PathDescription(kind=asset.kind, kit=asset.kit, licence=asset.licence, source=asset.source)
    return SourceFile(path=asset.path, description=description, kind_from=MANIFEST, sha256=asset.sha256)


def _require_local(root: Location, manifest: Path) -> Path:
    if isinstance(root, Path):
        return root
    raise UsageError(manifest, f"its sounds are on an object store: {root}", "copy them to this machine first")
