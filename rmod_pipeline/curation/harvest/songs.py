"""List the songs of a harvest: files and folders, each song once, with licence and source where they are known."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from rmod_pipeline.curation.harvest.annotations import find_onsets_file
from rmod_pipeline.curation.harvest.results import HarvestSong, SongOutcome
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.kinds.describe import PathDescription, describe_paths
from rmod_pipeline.library.manifest import find_path_problem
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.walk import find_audio_files
from rmod_pipeline.storage.publish import file_digest

_KEY_LETTERS = 80
"""Longest beginning of a name in the names of sounds."""
_HASH_LETTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SongList:
    """The songs of a harvest."""

    songs: tuple[HarvestSong, ...]
    """By name."""
    unusable: tuple[SongOutcome, ...]
    """Files that cannot be songs, with the reason, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongSources:
    """What is known of songs from elsewhere."""

    labels: Labels | None = None
    """Kit, licence and source by path; a manifest of the songs, for instance."""
    licence: str = ""
    """SPDX licence of songs for which nothing else gives one."""
    onsets: Path | None = None
    """A folder with the onsets of every song; None has them detected."""


def list_songs(paths: Sequence[Path], out: Path, sources: SongSources) -> SongList:
    """Return the songs among files and folders, without what lies in the folder ``out`` of the harvest itself.

    Raises UsageError for a path that does not exist and for a folder that cannot be read, LibraryError if there is no
    audio file, ManifestError if the labels name none of the songs.
    """
    files, unusable = _find_files(paths, out)
    if not files and not unusable:
        raise LibraryError(", ".join(map(str, paths)), "no audio files", "name songs in WAV, AIFF, FLAC, OGG or MP3")
    root = _common_root(paths)
    names = {path: _relative_name(path, root) for path in files}
    outcomes = [SongOutcome(name=_relative_name(path, root), finding=reason) for path, reason in unusable]
    outcomes += [SongOutcome(name=name, finding=problem) for name in names.values() if (problem := _name_problem(name))]
    named = {path: PurePosixPath(name) for path, name in names.items() if not _name_problem(name)}
    guesses = describe_paths(named.values())
    songs = []
    for path, name in named.items():
        guess = guesses[name]
        described = sources.labels.override(path, guess) if sources.labels else guess
        try:
            songs.append(_describe_song(path, name, described, sources))
        except OSError as error:
            outcomes.append(SongOutcome(name=str(name), finding=f"cannot be read: {error.strerror or error}"))
    if sources.labels:
        sources.labels.check_used(root)
    kept, copies = _leave_out_copies(songs)
    outcomes += copies
    if sources.onsets is not None:
        kept, missing = _find_onsets(kept, sources.onsets)
        outcomes += missing
    return SongList(
        songs=tuple(_give_keys(sorted(kept, key=lambda song: song.name))),
        unusable=tuple(sorted(outcomes, key=lambda outcome: outcome.name)),
    )


def _find_files(paths: Sequence[Path], out: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Return the audio files by real path, sorted, and the entries that cannot be read, with the reason."""
    own = Path(os.path.realpath(out))
    files: dict[str, Path] = {}
    unusable: list[tuple[Path, str]] = []
    for path in paths:
        if not path.exists():
            raise UsageError(path, "no such file or folder", "name songs, or folders that hold songs")
        if path.is_dir():
            folder = path.absolute()
            contents = find_audio_files(folder, folder)
            found, dropped = contents.files, contents.dropped
        else:
            found, dropped = [path.absolute()], []
        files |= {os.path.realpath(file): file for file in found if not _is_inside(file, own)}
        unusable += [(file, reason) for file, reason in dropped if not _is_inside(file, own)]
    return sorted(files.values()), sorted(unusable)


def _is_inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)


def _common_root(paths: Sequence[Path]) -> Path:
    """Return the folder that names are relative to: the one that holds all songs."""
    folders = [path.absolute() if path.is_dir() else path.absolute().parent for path in paths]
    # Without "..": commonpath takes it for the name of a folder.
    return Path(os.path.commonpath(map(os.path.normpath, folders)))


def _relative_name(path: Path, root: Path) -> str:
    name = os.path.relpath(path, root).replace(os.sep, "/")
    return name.encode("utf-8", "backslashreplace").decode()


def _name_problem(name: str) -> str:
    problem = find_path_problem(name)
    if not problem and any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        problem = "holds a control character"
    return f"the name {problem}: rename it" if problem else ""


def _describe_song(path: Path, name: PurePosixPath, described: PathDescription, sources: SongSources) -> HarvestSong:
    return HarvestSong(
        path=path,
        name=str(name),
        key="",
        sha256=file_digest(path),
        kit=described.kit,
        licence=described.licence or sources.licence,
        source=described.source,
    )


def _leave_out_copies(songs: Iterable[HarvestSong]) -> tuple[list[HarvestSong], list[SongOutcome]]:
    """Return the songs without those whose bytes another song has, which is first by name."""
    first: dict[str, HarvestSong] = {}
    copies = []
    for song in sorted(songs, key=lambda song: song.name):
        original = first.setdefault(song.sha256, song)
        if original is not song:
            copies.append(SongOutcome(name=song.name, sha256=song.sha256, finding=f"a copy of {original.name}"))
    return list(first.values()), copies


def _find_onsets(songs: Sequence[HarvestSong], folder: Path) -> tuple[list[HarvestSong], list[SongOutcome]]:
    """Return the songs with their onsets, and the outcomes of those that have none.

    A song of a name that others have in other folders needs a file at its own path.
    """
    places = {PurePosixPath(song.name).with_suffix("") for song in songs}
    namesakes = Counter(place.name for place in places)
    found, missing = [], []
    for song in songs:
        name = PurePosixPath(song.name)
        count = namesakes[name.stem]
        finding = f"no {name.stem}.csv in the folder of --onsets"
        if count > 1:
            needed = name.with_suffix(".csv")
            finding = f"no {needed} in the folder of --onsets, and songs in {count} folders are called {name.stem}"
        file = find_onsets_file(folder, name, by_name=count == 1)
        if file is not None:
            try:
                found.append(replace(song, onsets_file=file, onsets_sha256=file_digest(file)))
                continue
            except OSError as error:
                finding = f"{file.name} cannot be read: {error.strerror or error}"
        missing.append(SongOutcome(name=song.name, sha256=song.sha256, finding=finding))
    return found, missing


def _give_keys(songs: Sequence[HarvestSong]) -> Iterator[HarvestSong]:
    """Yield the songs with a key each: the plain form of the name, with a hash where two songs would share one."""
    plain = [_to_key(song.name) for song in songs]
    counts = Counter(plain)
    for song, key in zip(songs, plain, strict=True):
        is_whole = counts[key] == 1 and len(key) <= _KEY_LETTERS
        digest = sha256(song.name.encode()).hexdigest()[:_HASH_LETTERS]
        yield replace(song, key=key if is_whole else f"{key[:_KEY_LETTERS]}-{digest}")


def _to_key(name: str) -> str:
    words = re.sub(r"[\W_]+", "-", str(PurePosixPath(name).with_suffix(""))).strip("-").lower()
    return words or "song"
