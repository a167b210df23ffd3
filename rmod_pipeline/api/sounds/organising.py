"""Organise a folder of sounds into a tidy tree, and undo it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import speaks_python
from rmod_pipeline.curation.organise.naming.pattern import DEFAULT_PATTERN
from rmod_pipeline.curation.organise.records import Mode
from rmod_pipeline.curation.organise.run import OrganiseResult
from rmod_pipeline.curation.organise.undo import UndoResult
from rmod_pipeline.errors import ModelError, UsageError
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.curation.classify_files import ClassifiedFile
    from rmod_pipeline.curation.one_shot_files import SoundFile
    from rmod_pipeline.library.process_pool import ScanProgress

log = logging.getLogger(__name__)


@speaks_python
def organise(
    source: str | Path,
    *,
    to: str | Path,
    pattern: str = DEFAULT_PATTERN,
    listen: bool = False,
    names_only: bool = False,
    model: str | Path | None = None,
    links: bool = False,
    hard_links: bool = False,
    keep_unknown: bool = False,
    dry_run: bool = False,
    workers: int = 0,
    fresh: bool = False,
    progress: bool = True,
) -> OrganiseResult:
    """Make a tidy tree of a messy folder of sounds: by kind, brightness and length, with a CSV that undoes it.

    source: a folder, or a manifest. to: the folder of the tree, apart from the source. pattern: folders and name, with
    the fields of the guide to organising. listen: have the classifier check names too; names_only: never use it.
    model: that classifier; by default the one that rmod ships. links, hard_links: place links instead of copies.
    keep_unknown: place files that cannot be used too, in ``unsorted``. dry_run: change nothing. workers: processes, 0
    for one per core. fresh: measure unchanged files again. Raises UsageError, ManifestError and ModelError.
    """
    from rmod_pipeline.curation.organise.facts import FactOptions
    from rmod_pipeline.curation.organise.run import OrganiseOptions, organise_sounds
    from rmod_pipeline.library.scanning.cache import ScanCache, scan_cache_file
    from rmod_pipeline.progress import scan_progress
    from rmod_pipeline.storage.process_identity import available_cores

    _refuse_both("--links", links, "--hard-links", hard_links)
    _refuse_both("--listen", listen, "--names-only", names_only)
    _refuse_both("--model", model is not None, "--names-only", names_only)
    mode: Mode = "link" if links else "hard link" if hard_links else "copy"
    count = workers or available_cores()
    path = None if model is None else parse_local_path(model)
    must_listen = listen or path is not None
    if must_listen:
        _open_classifier(path)  # a mistake is to be known before sounds are measured for an hour
    with scan_progress(progress) as on_progress, closing(ScanCache(scan_cache_file(), fresh=fresh)) as cache:
        listener = _Listener(path, count, fresh, must_listen=must_listen, progress=on_progress)
        facts = FactOptions(
            workers=count,
            listen=None if names_only else listener,
            listens_to_all=listen,
            keeps_leftovers=keep_unknown,
        )
        options = OrganiseOptions(pattern=pattern, mode=mode, is_dry_run=dry_run, facts=facts)
        return organise_sounds(
            parse_local_path(source), parse_local_path(to), options, cache=cache, progress=on_progress
        )


@speaks_python
def undo_organise(table: str | Path, *, dry_run: bool = False, progress: bool = True) -> UndoResult:
    """Take away the files that ``organise`` placed and that are unchanged, then empty folders, then the table.

    table: the ``organised.csv`` in the tree. dry_run: change nothing. Files that were changed since stay. Raises
    UsageError and ManifestError.
    """
    from rmod_pipeline.curation.organise.undo import undo_table
    from rmod_pipeline.progress import scan_progress

    with scan_progress(progress) as on_progress:
        return undo_table(parse_local_path(table), dry_run=dry_run, progress=on_progress)


class _Listener:
    """Classifies files with the classifier and its cache, which are opened when the first file needs them."""

    def __init__(
        self, model: Path | None, workers: int, fresh: bool, *, must_listen: bool, progress: ScanProgress
    ) -> None:
        self._model, self._workers, self._fresh = model, workers, fresh
        self._must_listen, self._progress = must_listen, progress

    def __call__(self, files: Sequence[SoundFile]) -> Iterator[ClassifiedFile]:
        """Yield what the classifier says of each file, in order.

        Without torch or without a classifier names alone decide, unless somebody asked for it: that raises ModelError.
        """
        from rmod_pipeline.curation.classify_files import (
            ClassifiedFile,
            ClassifierChoice,
            classify_files,
            opened_cache,
        )
        from rmod_pipeline.library.process_pool import count_step

        try:
            _open_classifier(self._model)
        except ModelError as error:
            if self._must_listen:
                raise
            log.warning("%d sounds whose names say no kind stay unknown: %s", len(files), error.found)
            yield from (ClassifiedFile(file=file, reason=error.found) for file in files)
            return
        choice, on_file = ClassifierChoice(self._model), count_step(self._progress, "Listening")
        with opened_cache(choice, fresh=self._fresh) as cache:
            yield from classify_files(files, choice, cache=cache, workers=self._workers, progress=on_file)


def _open_classifier(model: Path | None) -> None:
    """Open a classifier. Raises ModelError for a bad file, and without torch."""
    from rmod_pipeline.codec import torch_support
    from rmod_pipeline.curation.classify_files import ClassifierChoice, open_once

    torch_support.require_torch(ModelError, "classify")
    open_once(ClassifierChoice(model))


def _refuse_both(first: str, has_first: bool, second: str, has_second: bool) -> None:
    if has_first and has_second:
        raise UsageError(first, f"and {second} exclude each other", "leave one of them out")
