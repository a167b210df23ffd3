"""Releases: make a folder to publish, and check one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import DataLike, location_of, speaks_python
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.releases.folder.check import ReleaseCheck
    from rmod_pipeline.releases.make import Release


@speaks_python
def release(
    data: DataLike,
    *,
    to: str | Path,
    format: str = "plain",  # noqa: A002  (the name of the flag)
    name: str = "",
    title: str = "",
    subtitle: str = "",
    version: str = "",
    date: str = "",
    owner: str = "",
    creators: Sequence[str] = (),
    keywords: Sequence[str] = (),
    notes: str = "",
    loose: bool = False,
    key: str | Path | None = None,
    template: str | Path | None = None,
    thresholds: str | Path | None = None,
    sample: int = 500,
    licence_class: str = "any",
    allow_licences: Sequence[str] = (),
    licence_texts: str | Path | None = None,
    progress: bool = True,
) -> Release:
    """Turn a finished data set into a folder to publish, and verify it first. The folder must not exist.

    format: plain, kaggle or huggingface. version: such as 1.2.0; digits that follow from the data are added. date: of
    publication, YYYY-MM-DD; no clock is read. creators: whom to cite. notes: what changed, a line each. loose: single
    files in place of tars of audio. key: an Ed25519 private key to sign the checksums. template: of the data card.
    thresholds, sample: of the report, which the data set has to pass, see ``report``. licence_class: release only pairs
    whose sounds all belong to it. allow_licences: licences that ask for more than credit, which are refused unless
    named; ``unknown`` for sounds without one. licence_texts: a folder with IDENTIFIER.txt files. Raises UsageError,
    ShardError. It gives no legal advice.
    """
    from rmod_pipeline.progress import count_progress
    from rmod_pipeline.releases.make import make_release
    from rmod_pipeline.releases.options import ReleaseOptions

    options = ReleaseOptions(
        to=parse_local_path(to, "--to"),
        format=format,
        name=name,
        title=title,
        subtitle=subtitle,
        version=version,
        date=date,
        owner=owner,
        creators=tuple(creators),
        keywords=tuple(keywords),
        notes=notes,
        loose=loose,
        key=_path(key),
        template=_path(template),
        thresholds=_path(thresholds),
        sample=sample,
        licence_class=licence_class,
        allow_licences=tuple(allow_licences),
        licence_texts=_path(licence_texts),
    )
    return make_release(location_of(data), options, lambda step: count_progress(step, progress))


@speaks_python
def verify_release(folder: str | Path, *, key: str | Path | None = None, progress: bool = True) -> ReleaseCheck:
    """Check a released folder: files, checksums, version, attribution, and with a public key the signature.

    ``.ok`` of the result says whether nothing was found. Raises ShardError if the folder is no release, UsageError for
    an unusable key.
    """
    from rmod_pipeline.progress import count_progress
    from rmod_pipeline.releases.folder.check import check_release

    with count_progress("files", progress) as on_file:
        return check_release(parse_local_path(folder), _path(key), on_file)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else parse_local_path(path)
