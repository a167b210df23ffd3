"""Classify sounds: what kind of drum each file of some folders is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import check_workers, parse_local_paths, speaks_python
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.curation.listing import ListedSound, ListingCounts
    from rmod_pipeline.curation.listing_formats import ListingFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyResult:
    """A list of classified sounds."""

    sounds: tuple[ListedSound, ...]
    """A row per file, in the order of the files; empty if the rows went to ``out`` or ``on_text``."""
    counts: ListingCounts
    """How many sounds of each class there are, and how many files could not be classified."""
    not_audio: int
    """Number of other files in the folders."""
    out: Path | None = None
    """The file that the list was written to."""


@speaks_python
def classify(
    paths: str | Path | Sequence[str | Path],
    *,
    model: str | Path | None = None,
    out: str | Path | None = None,
    form: ListingFormat | None = None,
    on_text: Callable[[str], object] | None = None,
    workers: int = 0,
    fresh: bool = False,
    progress: bool = True,
) -> ClassifyResult:
    """Tell by ear what kind of drum each sound file is.

    paths: files and folders. model: another classifier than the one of rmod. out: a file for the list. form: table, csv
    or json; by default by the suffix of ``out``. on_text: receives the text of the list piece by piece. workers:
    processes, 0 for one per core. fresh: listen to unchanged files again. A file that cannot be classified gets a row
    with the reason. Raises UsageError, LibraryError and ModelError.
    """
    from rmod_pipeline.curation.classify_files import ClassifierChoice, open_once, opened_cache
    from rmod_pipeline.curation.listing import ListingCounts, find_sound_files, list_classes
    from rmod_pipeline.curation.listing_formats import choose_format, format_listing, refuse_foreign_file, write_listing
    from rmod_pipeline.progress import rate_progress
    from rmod_pipeline.storage.process_identity import available_cores

    target = None if out is None else parse_local_path(out)
    chosen = choose_format(form, target)
    if target is not None:
        refuse_foreign_file(target, chosen)
    check_workers(workers)
    found = find_sound_files(parse_local_paths(paths))
    choice = ClassifierChoice(None if model is None else parse_local_path(model))
    source = open_once(choice).source
    counts = ListingCounts()

    def count(rows: Iterator[ListedSound]) -> Iterator[ListedSound]:
        for row in rows:
            counts.add(row)
            yield row

    with (
        opened_cache(choice, fresh=fresh) as cache,
        rate_progress("Classifying", progress) as on_progress,
    ):
        rows = count(
            list_classes(found, choice, cache=cache, workers=workers or available_cores(), progress=on_progress)
        )
        sounds: tuple[ListedSound, ...] = ()
        if target is not None:
            write_listing(target, format_listing(rows, chosen, source))
        elif on_text is not None:
            for text in format_listing(rows, chosen, source):
                on_text(text)
        else:
            sounds = tuple(rows)
    return ClassifyResult(sounds=sounds, counts=counts, not_audio=found.not_audio, out=target)
