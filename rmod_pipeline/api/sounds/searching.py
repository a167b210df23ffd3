"""Search a library by ear: the sounds nearest to a sound, and a map of all sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import LibraryLike, check_workers, parse_local_paths, speaks_python
from rmod_pipeline.api.libraries import open_library
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.curation.classify_files import ClassifierChoice
    from rmod_pipeline.curation.neighbours.index import RefusedSound, SoundIndex
    from rmod_pipeline.curation.neighbours.search import SearchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarSounds:
    """The sounds of a library that are nearest to the sounds that a user asks about."""

    library: Library
    results: tuple[SearchResult, ...]
    """One per sound, in their order."""
    refused: tuple[RefusedSound, ...]
    """Sounds of the library that could not be heard, with the reasons."""
    page: Path | None = None
    """The page to listen to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryMap:
    """A page that shows all sounds of a library by their similarity."""

    page: Path
    sounds: int
    """Number of sounds on the map."""
    embedded: int
    """Number of sounds that are inside the page; the others are played from their files."""
    method: str
    """How the sounds were laid out."""
    refused: tuple[RefusedSound, ...]
    """Sounds of the library that could not be heard, with the reasons."""


@speaks_python
def find_similar(
    sounds: str | Path | Sequence[str | Path],
    library: LibraryLike = "builtin",
    *,
    count: int = 10,
    kind: str = "",
    include_itself: bool = False,
    page: str | Path | None = None,
    model: str | Path | None = None,
    workers: int = 0,
    progress: bool = True,
) -> SimilarSounds:
    """Find the sounds of a library that are most similar to some sounds, by ear.

    sounds: audio files, of which the first three seconds are heard. count: how many per sound. kind: of this kind only.
    include_itself: list the sound itself too if the library has it. page: an HTML file to listen to. model: another
    classifier than the one of rmod. workers: processes, 0 for one per core. Raises UsageError, ManifestError,
    LibraryError, AssetError and ModelError.
    """
    from rmod_pipeline.curation.neighbours.search import ask, check_kind, find_neighbours
    from rmod_pipeline.pages.generated import check_replaceable_page
    from rmod_pipeline.pages.neighbours import write_neighbours

    given = parse_local_paths(sounds)
    if not given:
        raise UsageError("SOUND", "no sound is given", "give an audio file")
    if count < 1:
        raise UsageError("--count", f"{count!r} is no number of sounds", "give a whole number above 0")
    check_workers(workers)
    target = None if page is None else parse_local_path(page)
    if target is not None:
        check_replaceable_page(target)
    choice = _choose(model)
    questions = [ask(path, choice) for path in given]
    opened = open_library(library, progress=progress)
    check_kind(kind, opened.kinds())
    index = _index(opened, choice, workers, progress)
    results = tuple(
        find_neighbours(index, question, count=count, kind=kind, include_itself=include_itself)
        for question in questions
    )
    if target is not None:
        write_neighbours(results, opened, target)
    return SimilarSounds(library=opened, results=results, refused=index.refused, page=target)


@speaks_python
def map_library(
    library: LibraryLike,
    *,
    out: str | Path,
    model: str | Path | None = None,
    workers: int = 0,
    progress: bool = True,
) -> LibraryMap:
    """Write a page with a map of a library: similar sounds lie together, and each plays under the pointer.

    out: the HTML file. model: another classifier than the one of rmod. workers: processes, 0 for one per core. Raises
    UsageError, ManifestError, LibraryError and ModelError.
    """
    from rmod_pipeline.curation.neighbours.projection import name_method, project
    from rmod_pipeline.pages.generated import check_replaceable_page
    from rmod_pipeline.pages.sound_map import write_sound_map
    from rmod_pipeline.progress import rate_progress, stderr_console
    from rmod_pipeline.storage.process_identity import available_cores

    check_workers(workers)
    target = parse_local_path(out)
    check_replaceable_page(target)
    opened = open_library(library, progress=progress)
    index = _index(opened, _choose(model), workers, progress)
    method = name_method(len(index.assets))
    if progress:
        stderr_console().print(f"Laying out {len(index.assets):,} sounds by {method}.")
    points = project(index.embeddings)
    with rate_progress("Compressing", progress) as on_progress:
        embedded = write_sound_map(
            index, points, method, target, workers=workers or available_cores(), progress=on_progress
        )
    return LibraryMap(page=target, sounds=len(index.assets), embedded=embedded, method=method, refused=index.refused)


def _choose(model: str | Path | None) -> ClassifierChoice:
    """Return the classifier to use, opened: a bad file is reported before a library is read. Raises ModelError."""
    from rmod_pipeline.curation.classify_files import ClassifierChoice, open_once

    choice = ClassifierChoice(None if model is None else parse_local_path(model))
    open_once(choice)
    return choice


def _index(library: Library, choice: ClassifierChoice, workers: int, progress: bool) -> SoundIndex:
    from rmod_pipeline.curation.classify_files import opened_cache
    from rmod_pipeline.curation.neighbours.index import index_library
    from rmod_pipeline.progress import rate_progress
    from rmod_pipeline.storage.process_identity import available_cores

    with opened_cache(choice) as cache, rate_progress("Listening", progress) as on_progress:
        return index_library(library, choice, cache=cache, workers=workers or available_cores(), progress=on_progress)
