"""Check what a user asks a release to be, and fill in what the user left open."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.licences import LicenceClass, parse_licence_class
from rmod_pipeline.releases.licensing.texts import check_texts_folder
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.writing import check_writable_folder

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){2}")
_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")

LONGEST_LINE = 500
"""Characters of a title and the like. Sites have smaller limits of their own."""

_NAME_IN_TITLE = 34
"""Characters of a name in the default title."""

FIRST_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """What a user gives to a release. Empty texts and None stand for what rmod fills in."""

    to: Path
    format: str = "plain"
    name: str = ""
    title: str = ""
    subtitle: str = ""
    version: str = ""
    owner: str = ""
    creators: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    notes: str = ""
    """What changed since the last version, one change per line."""
    date: str = ""
    """The day of publication, YYYY-MM-DD."""
    loose: bool = False
    key: Path | None = None
    template: Path | None = None
    thresholds: Path | None = None
    """The limits of the report, as YAML."""
    sample: int = 500
    """Pairs whose sound the report reads."""
    licence_class: str = LicenceClass.ANY.value
    allow_licences: tuple[str, ...] = ()
    licence_texts: Path | None = None
    """A folder with ``IDENTIFIER.txt`` files for licences whose texts rmod lacks."""


def check_options(options: ReleaseOptions, out: Location) -> LicenceClass:
    """Return the class of licences to cut to. Raises UsageError for an option that no format could take."""
    _check_form("--name", options.name, _NAME, "lower-case letters, digits and single hyphens, such as my-drums")
    _check_form(
        "--version", options.version, _VERSION, "three numbers, such as 1.2.0; the digits of the data are added"
    )
    _check_form("--owner", options.owner, _OWNER, "the name of a user or an organisation on the site")
    _check_date(options.date)
    lines = {"--title": [options.title], "--subtitle": [options.subtitle]}
    for option, texts in (lines | {"--creator": options.creators, "--keyword": options.keywords}).items():
        _check_lines(option, texts)
    for option, path in _list_files(options):
        if path is not None:
            require_file(path, f"give a file to {option}")
    check_texts_folder(options.licence_texts)
    _check_target(options.to, out)
    return parse_licence_class(options.licence_class, "--licence-class")


def _list_files(options: ReleaseOptions) -> list[tuple[str, Path | None]]:
    return [("--template", options.template), ("--thresholds", options.thresholds)]


def default_name(out: Location) -> str:
    """Return a name for a data set that lies in this folder."""
    name = re.sub(r"[^a-z0-9]+", "-", out.name.lower()).strip("-")
    return name if len(name) >= 3 else f"rmod-{name or 'pairs'}"


def default_title(name: str) -> str:
    """Return a title for a data set of this name, as short as every site takes it."""
    return f"{name.replace('-', ' ').capitalize()[:_NAME_IN_TITLE].rstrip()}: drum one-shots"


def _check_form(option: str, text: str, form: re.Pattern[str], hint: str) -> None:
    if text and not form.fullmatch(text):
        raise UsageError(option, f"{text[:80]!r} has another form", f"give {hint}")


def _check_date(text: str) -> None:
    try:
        valid = not text or date.fromisoformat(text).isoformat() == text
    except ValueError:
        valid = False
    if not valid:
        raise UsageError("--date", f"{text[:80]!r} is not a day", "write it as 2026-03-31")


def _check_lines(option: str, texts: Iterable[str]) -> None:
    for text in texts:
        if _CONTROL.search(text):
            raise UsageError(
                option, f"{text[:80]!r} holds a line break or a control character", "give one line of text"
            )
        if len(text) > LONGEST_LINE:
            raise UsageError(option, f"{len(text)} characters", f"give at most {LONGEST_LINE}")
        if text != text.strip() or (option in ("--creator", "--keyword") and not text):
            raise UsageError(option, f"{text[:80]!r} is empty or has spaces at its ends", "give the text alone")


def _check_target(to: Path, out: Location) -> None:
    """Raise UsageError unless the folder of the release can be made."""
    hint = "choose another --to: a release never changes what is there"
    if to.exists() or to.is_symlink():
        raise UsageError("--to", f"{to} exists already", hint)
    if isinstance(out, Path) and to.resolve().is_relative_to(out.resolve()):
        raise UsageError("--to", f"{to} is inside the data set {out}", "choose a folder outside of it")
    check_writable_folder(to.absolute().parent, "choose a --to in a folder that you can write to")
