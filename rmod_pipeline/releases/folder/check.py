"""Check a released folder: files, checksums, signature, version, and whether its attribution names what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import RmodError, ShardError
from rmod_pipeline.inspection.findings import Finding
from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.library.process_pool import CountProgress
from rmod_pipeline.releases.folder.checksums import CHECKSUMS, find_changes, list_files
from rmod_pipeline.releases.folder.data import release_digest
from rmod_pipeline.releases.folder.papers import (
    ATTRIBUTION,
    CHANGELOG,
    CITATION,
    DESCRIPTION,
    LICENCES_FOLDER,
    attribution_csv,
)
from rmod_pipeline.releases.folder.signature import SIGNATURE, is_signed_by, open_public_key
from rmod_pipeline.releases.licensing.sounds import AttributedSound, attribute
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import INDEX

_COLUMNS = ("status", "sources")

VERSION_DIGITS = 8
"""Digits of the digest of the data in a version."""


@dataclass(slots=True, kw_only=True)
class ReleaseCheck:
    """The result of checking a released folder."""

    files: int
    """Number of files that SHA256SUMS lists."""
    signed: bool
    """Whether there is a signature."""
    signature_checked: bool
    """Whether a key was given to check it with."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def remedies(self) -> Iterator[str]:
        """Yield what to do about the findings."""
        about = {finding.about for finding in self.findings}
        if SIGNATURE in about and not self.signed:
            yield "check it without a key, or ask its publisher for one that is signed"
        elif SIGNATURE in about:
            yield "give the public key of the publisher; if this is it, get the release again"
        if about - {SIGNATURE}:
            yield "get the release again; if it is your own, release the data set again into another folder"


def check_release(folder: Path, key: Path | None, on_file: CountProgress) -> ReleaseCheck:
    """Check a released folder anywhere, without the data set that it was made from and without network.

    key: the public key of the publisher. Raises ShardError if the folder is no release, UsageError for an unusable key.
    """
    public = None if key is None else open_public_key(key)
    try:
        content = (folder / CHECKSUMS).read_bytes()
    except OSError as error:
        hint = "give the folder that `rmod release OUT --to DIR` wrote"
        raise ShardError(folder, f"no release here: {CHECKSUMS}: {error.strerror}", hint) from error
    signed = SIGNATURE in list_files(folder)
    check = ReleaseCheck(files=content.count(b"\n"), signed=signed, signature_checked=public is not None)
    if public is not None:
        check.findings += _check_signature(folder, public, content)
    check.findings += find_changes(folder, content, on_file)
    if check.ok:
        check.findings += _check_content(folder)
    return check


def version_digits(folder: Any, licence_class: LicenceClass) -> str:
    """Return the digits of a version that follow from the data of a data set or of a released folder."""
    return release_digest(folder, {"licence_class": licence_class.value})[:VERSION_DIGITS]


def _check_signature(folder: Path, key: Any, content: bytes) -> Iterator[Finding]:
    path = folder / SIGNATURE
    if not path.is_file():
        yield Finding(about=SIGNATURE, found="missing: the release is not signed")
    elif not is_signed_by(key, path.read_bytes(), content):
        yield Finding(about=SIGNATURE, found=f"is not the signature of {CHECKSUMS} by this key")


def _check_content(folder: Path) -> Iterator[Finding]:
    """Yield which papers are missing, and what they and the data say differently. Their checksums agree already."""
    for name in (CITATION, CHANGELOG):
        if not (folder / name).is_file():
            yield Finding(about=name, found="missing")
    if not any((folder / LICENCES_FOLDER).glob("*.txt")):
        yield Finding(about=f"{LICENCES_FOLDER}/", found="missing: no text of a licence")
    try:
        description = json.loads((folder / DESCRIPTION).read_bytes())
        digits = version_digits(folder, LicenceClass(description["licence_class"]))
        if str(description["version"]).rpartition("+")[2] != digits:
            found = f"its version is {description['version']}, but that of the data ends with +{digits}"
            yield Finding(about=DESCRIPTION, found=found)
        if (folder / ATTRIBUTION).read_bytes() != attribution_csv(sorted(_read_sounds(folder))):
            yield Finding(about=ATTRIBUTION, found="does not name exactly the sounds of the index")
    except RmodError as error:
        yield Finding(about=error.about, found=error.found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield Finding(about=folder.name, found=f"its papers are not those of a release: {error!r}")


def _read_sounds(folder: Path) -> set[AttributedSound]:
    """Return the sounds of all pairs in the index of a released folder."""
    rows = (row for path in sorted((folder / INDEX).glob("*.parquet")) for row in read_index(path, _COLUMNS))
    return {attribute(source) for row in rows if row["status"] == PAIR for source in row["sources"]}
