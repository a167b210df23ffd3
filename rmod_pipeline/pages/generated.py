"""Write a page of rmod to a path that the user names, and never in place of a file that is no such page."""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.storage.writing import check_writable_file, report_unwritable, write_text

_MARK = '<meta name="generator" content="rmod '
"""Begins a tag in the head of a page, which tells which command wrote it."""
_HEAD_BYTES = 4096
_HINT = "choose another file, in a folder that you can write to"


def generator_tag(command: str) -> str:
    """Return the tag that identifies a page of a command of rmod, such as ``library map``."""
    return f'{_MARK}{command}">'


def name_library(library: Library) -> str:
    """Return a name of a library for readers: that of its manifest, or of its folder if the manifest lies elsewhere."""
    is_beside = library.manifest.absolute().parent == library.root
    return library.manifest.name.removesuffix(".csv") if is_beside else library.root.name


def check_replaceable_page(page: Path) -> None:
    """Raise UsageError if a page cannot be written, or would replace a file that is no page of rmod."""
    check_writable_file(page, _HINT)
    if not page.is_file():
        return
    with report_unwritable(page, _HINT), page.open("rb") as file:
        is_page = _MARK.encode() in file.read(_HEAD_BYTES)
    if not is_page:
        raise UsageError(page, "exists and is no page of rmod", "choose another file, or remove it")


def publish_page(page: Path, html: str) -> None:
    """Write a page completely or not at all. Raises UsageError like ``check_replaceable_page``."""
    check_replaceable_page(page)
    with report_unwritable(page, _HINT):
        page.parent.mkdir(parents=True, exist_ok=True)
        write_text(page, html)
