"""Make a release: check everything, write a folder beside the target, and move it there in one step."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from rmod_pipeline.errors import RmodError, ShardError, UsageError, quote
from rmod_pipeline.inspection.full_check import Verification, verify_data_set
from rmod_pipeline.inspection.report.thresholds import load_thresholds
from rmod_pipeline.inspection.status import read_status
from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.library.process_pool import OpenProgress
from rmod_pipeline.releases.card import render_card, write_card
from rmod_pipeline.releases.catalogue import open_format
from rmod_pipeline.releases.croissant import write_croissant
from rmod_pipeline.releases.folder.check import version_digits
from rmod_pipeline.releases.folder.checksums import list_files, write_checksums
from rmod_pipeline.releases.folder.data import ReleaseData
from rmod_pipeline.releases.folder.papers import write_papers
from rmod_pipeline.releases.folder.quality import check_quality, write_report
from rmod_pipeline.releases.folder.rebuild import write_rebuild_files
from rmod_pipeline.releases.folder.signature import SIGNATURE, open_private_key, sign
from rmod_pipeline.releases.formats import ReleaseFormat, ReleaseRequest
from rmod_pipeline.releases.licensing.gate import check_licences
from rmod_pipeline.releases.licensing.sounds import SelectedPairs, make_licensing, select_pairs
from rmod_pipeline.releases.licensing.texts import licence_texts
from rmod_pipeline.releases.measuring import measure_facts
from rmod_pipeline.releases.options import FIRST_VERSION, ReleaseOptions, check_options, default_name, default_title
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.writing import report_unwritable, unwritable_error

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from rmod_pipeline.inspection.report import Report
    from rmod_pipeline.releases.facts import ReleaseFacts


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENAMETOOLONG)
"""What a disk or a file system refuses."""

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
"""What a file system says of a folder that is moved to where something is already."""

_ROOM_FOR_PAPERS_BYTES = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A finished release."""

    folder: Path
    version: str
    licence: str
    """One SPDX expression for the whole."""
    pairs: Mapping[str, int]
    """Number of pairs by split."""
    sounds: int
    """Number of sounds of the library that the pairs use."""
    files: int
    bytes: int
    signed: bool
    next_command: str
    """The site's own command that uploads the folder; empty for the plain format. rmod does not run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Everything that is known before a byte is written."""

    request: ReleaseRequest
    chosen: ReleaseFormat
    facts: ReleaseFacts
    card: str
    """The data card, as Markdown."""
    report: Report
    data: ReleaseData
    texts: Mapping[str, str]
    key: Ed25519PrivateKey | None
    pairs: Mapping[str, int]


def make_release(
    out: Location,
    options: ReleaseOptions,
    progress: OpenProgress = lambda _step: nullcontext(lambda _done, _total: None),
) -> Release:
    """Turn a finished data set into a folder to publish.

    Everything is checked before anything is written, and the folder appears complete or not at all. Raises UsageError
    for an option, a licence or a size that is refused, ShardError for an unfinished or damaged data set.
    """
    plan = _plan_release(out, options, progress)
    target = options.to.absolute()
    with report_unwritable(target, "choose another --to"):
        target.parent.mkdir(parents=True, exist_ok=True)
    with _staging_folder(target) as staging:
        _write(staging, plan, options.notes, progress)
        files = list_files(staging)
        size = sum((staging / path).stat().st_size for path in files)
        _publish(staging, target)
    return Release(
        folder=options.to,
        version=plan.request.version,
        licence=plan.request.licensing.expression,
        pairs=plan.pairs,
        sounds=len(plan.request.licensing.sounds),
        files=len(files),
        bytes=size,
        signed=plan.key is not None,
        next_command=plan.chosen.next_command(plan.request),
    )


def _plan_release(out: Location, options: ReleaseOptions, progress: OpenProgress) -> _Plan:
    chosen = open_format(options.format)
    licence_class = check_options(options, out)
    chosen.check_texts(options.title or default_title(options.name or default_name(out)), options.subtitle)
    limits = load_thresholds(options.thresholds)
    key = None if options.key is None else open_private_key(options.key)
    _check_finished(out)
    selected = select_pairs(out, licence_class)
    check_licences(out, selected, options.allow_licences, licence_class)
    verification = _verify(out, progress)
    report = check_quality(out, limits, options.thresholds, options.sample, progress)
    data = ReleaseData.of(out, selected.keys, loose=options.loose)
    request = _make_request(out, options, selected, licence_class, data)
    _check_space(request)
    texts = licence_texts((sound.licence for sound in selected.sounds), options.licence_texts)
    sizes = {file.path: file.bytes for file in request.files}
    facts = measure_facts(
        out, pairs=selected.keys, sizes=None if selected.keys is None else sizes, verification=verification
    )
    chosen.check(request, facts)
    return _Plan(
        request=request,
        chosen=chosen,
        facts=facts,
        card=render_card(request, facts),
        report=report,
        data=data,
        texts=texts,
        key=key,
        pairs=dict(selected.pairs),
    )


def _check_finished(out: Location) -> None:
    status = read_status(out)
    if not status.done:
        lacking = [
            f"{family.shards} of {status.shards} shards of {family.family}"
            for family in status.families
            if family.shards != status.shards
        ]
        found = f"is not finished: {'; '.join(lacking)}"
        hint = f"give the command that builds or encodes it again; `rmod status {quote(out)}` says more"
        raise ShardError(out, found, hint)


def _verify(out: Location, progress: OpenProgress) -> Verification:
    """Return the result of `rmod verify`. Raises ShardError if anything is found."""
    verification = verify_data_set(out, progress=progress)
    findings = [*verification.report.findings, *verification.leaks]
    if findings:
        shown = "\n".join(f"  {finding}" for finding in findings[:10])
        more = f"\n  and {len(findings) - 10} more" if len(findings) > 10 else ""
        found = f"does not pass verification:\n{shown}{more}"
        raise ShardError(out, found, _verify_hint(out, verification))
    return verification


def _verify_hint(out: Location, verification: Verification) -> str:
    """Return what to do about the findings: damaged shards are made again, sounds in two splits need another build."""
    if verification.report.findings:
        return f"`rmod verify {quote(out)}` says how to mend it"
    return "put copies of a sound into one split of the library, and build it again in another folder"


def _make_request(
    out: Location, options: ReleaseOptions, selected: SelectedPairs, licence_class: LicenceClass, data: ReleaseData
) -> ReleaseRequest:
    name = options.name or default_name(out)
    title = options.title or default_title(name)
    total = sum(selected.pairs.values())
    return ReleaseRequest(
        out=out,
        to=options.to,
        format=options.format,
        name=name,
        title=title,
        subtitle=options.subtitle or f"{total} pairs of a music mixture and its dry drum one-shots",
        version=f"{options.version or FIRST_VERSION}+{version_digits(out, licence_class)}",
        owner=options.owner,
        creators=options.creators or (f"The authors of {title}",),
        keywords=options.keywords,
        loose=options.loose,
        key=options.key,
        template=options.template,
        licensing=make_licensing(selected, tuple(sorted(set(options.allow_licences))), licence_class),
        pairs=selected.keys,
        files=data.plan(),
        date=options.date,
    )


def _check_space(request: ReleaseRequest) -> None:
    """Raise UsageError unless the disk of the target has room."""
    needed = sum(file.bytes for file in request.files) + _ROOM_FOR_PAPERS_BYTES
    parent = next(path for path in request.to.absolute().parents if path.exists())
    free = shutil.disk_usage(parent).free
    if needed > free:
        found = f"about {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free"
        raise UsageError("--to", found, "free some space, or choose another --to")


def _write(folder: Path, plan: _Plan, notes: str, progress: OpenProgress) -> None:
    """Write the whole release into a folder."""
    shards = len({file.path for file in plan.request.files if file.path.startswith("receipts/")})
    with progress("shards written") as on_shard:
        for done, _ in enumerate(plan.data.write(folder)):
            on_shard(done, max(shards, done + 1))
    write_papers(folder, plan.request, dict(plan.texts), notes, plan.facts.fingerprint)
    write_rebuild_files(folder, plan.request)
    whole = plan.request.pairs is None
    write_report(folder, plan.request.out, plan.report, title=plan.request.title, whole=whole)
    write_card(folder, plan.facts, plan.card)
    write_croissant(folder, plan.request, plan.facts)
    plan.chosen.write(folder, plan.request, plan.facts)
    with progress("checksums") as on_file:
        checksums = write_checksums(folder, on_file)
    if plan.key is not None:
        (folder / SIGNATURE).write_bytes(sign(plan.key, checksums))


@contextmanager
def _staging_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside the target, and remove it afterwards unless it was moved.

    Raises UsageError if the disk is full or takes no files.
    """
    staging = target.with_name(f".{target.name[:200]}.{uuid4().hex[:8]}.tmp")
    try:
        staging.mkdir()
        yield staging
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise unwritable_error(target, error, "choose another --to") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _publish(staging: Path, target: Path) -> None:
    """Move a finished folder to its name. Raises UsageError if something is there by now."""
    error: RmodError = UsageError("--to", f"{target} exists by now", "choose another --to, and release again")
    if target.exists() or target.is_symlink():
        raise error
    try:
        staging.rename(target)
    except OSError as found:
        if found.errno not in _TAKEN:
            raise
        raise error from found
