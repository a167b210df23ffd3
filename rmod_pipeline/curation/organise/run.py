"""Organise a source from beginning to end: facts, plan, files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.curation.organise.apply import NOT_COPIED, apply_plan
from rmod_pipeline.curation.organise.facts import FactOptions, gather_facts
from rmod_pipeline.curation.organise.naming.pattern import DEFAULT_PATTERN, parse_pattern
from rmod_pipeline.curation.organise.plan import make_plan
from rmod_pipeline.curation.organise.records import TABLE_NAME, Mode, OrganisedFile
from rmod_pipeline.curation.organise.sources import open_source
from rmod_pipeline.curation.organise.table import OTHER_TO, read_previous
from rmod_pipeline.curation.organise.tree import (
    check_apart,
    check_copy_space,
    list_tree,
    lock_tree,
    remove_temporary_files,
)
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.storage.writing import check_writable_folder, report_unwritable


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganiseOptions:
    """What a tidy tree is to be like."""

    pattern: str = DEFAULT_PATTERN
    mode: Mode = "copy"
    is_dry_run: bool = False
    facts: FactOptions = field(default_factory=FactOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganiseResult:
    """What became of every file of a source, or what would become of it."""

    folder: Path
    """The tree."""
    files: tuple[OrganisedFile, ...]
    """The rows of the tree's table, of earlier runs too."""
    is_dry_run: bool
    changed: tuple[str, ...] = ()
    """Paths in the tree of files of an earlier run that were changed since: they stay as they are."""
    source: str
    """Real path of the source's folder."""

    @property
    def table(self) -> Path:
        """The CSV file that lists every file; after a dry run it does not exist."""
        return self.folder / TABLE_NAME

    @property
    def own_files(self) -> tuple[OrganisedFile, ...]:
        """The rows of this source."""
        return tuple(file for file in self.files if file.folder == self.source)

    @property
    def failed(self) -> tuple[OrganisedFile, ...]:
        """Files that could not be placed, though they can be used."""
        return tuple(file for file in self.own_files if file.reason.startswith(NOT_COPIED))


def organise_sounds(
    source: Path, to: Path, options: OrganiseOptions, *, cache: ScanCache, progress: ScanProgress | None = None
) -> OrganiseResult:
    """Make a tidy tree of the sounds of a folder or a manifest.

    Nothing is written to the source, and no file of the tree is replaced. A command that was stopped continues when it
    is given again. Raises UsageError and ManifestError for what a user can mend; a file that cannot be used has its
    reason in the rows.
    """
    pattern = parse_pattern(options.pattern)
    files = open_source(source)
    root = _check_target(to, files.inner_folder)
    read_previous(root)  # a table that rmod did not write is refused before hours of work
    if not options.is_dry_run:
        check_writable_folder(root, OTHER_TO)
    facts = gather_facts(files, cache, options.facts, progress)
    if options.is_dry_run:
        plan = make_plan(facts, pattern, previous=read_previous(root), existing=list_tree(root))
        return OrganiseResult(folder=root, files=plan.files, is_dry_run=True, changed=plan.changed, source=facts.folder)
    with _made_folder(root), lock_tree(root):
        remove_temporary_files(root)
        plan = make_plan(facts, pattern, previous=read_previous(root), existing=list_tree(root))
        if options.mode == "copy":
            check_copy_space(plan.files, root)
        rows = apply_plan(plan.files, root, options.mode, progress)
    return OrganiseResult(folder=root, files=rows, is_dry_run=False, changed=plan.changed, source=facts.folder)


def _check_target(to: Path, source: Path) -> Path:
    """Return the real path of the tree. Raises UsageError if it is a file, or does not lie apart from the source."""
    root = Path(os.path.realpath(to))
    if root.exists() and not root.is_dir():
        raise UsageError(to, "is a file, a folder is needed", OTHER_TO)
    check_apart(source, root, to)
    return root


@contextmanager
def _made_folder(root: Path) -> Iterator[None]:
    """Make a folder, and remove it again if an error leaves it empty."""
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    with report_unwritable(root, OTHER_TO):
        root.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        _remove_empty(missing)
        raise


def _remove_empty(folders: Sequence[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()
