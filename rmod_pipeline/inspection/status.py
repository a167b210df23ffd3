"""Report the status of a build from its receipts and its log alone, on any machine that can read the folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rmod_pipeline.errors import ShardError
from rmod_pipeline.pipeline.event_log import AGAIN, BEGIN, FAILURE, SHARD, Event, read_events
from rmod_pipeline.pipeline.leases import leased_shards
from rmod_pipeline.shards.completion import read_existing_receipts
from rmod_pipeline.shards.families import family_folders, read_folder
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout, ShardPlan, main_family, plan_shards
from rmod_pipeline.storage import Location, with_listing, with_prefetched

RECENT_SECONDS = 900.0
"""Only shards that were finished within this time count for the rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedShard:
    """A shard whose last attempt failed."""

    shard: str
    key: str
    """The pair that failed, if it is known."""
    cause: str
    time: str
    """Of the failure, in ISO 8601."""
    run: str = ""
    """The fingerprint digest that the run logged at its start: of build.json, or of a family of tokens or features."""
    family: str = ""
    """The family, if `rmod encode` or `rmod features` failed; empty for a build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyStatus:
    """The finished shards of one family, counted from its receipts."""

    family: str
    shards: int
    pairs: int
    absent: int
    rejects: dict[str, int]
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStatus:
    """The status of a build."""

    out: str
    shards: int
    """Number of shards of the data set, and so of each family."""
    pairs: int
    """Number of pairs of the data set."""
    families: list[FamilyStatus]
    running: list[str]
    """Shards with a lease."""
    failed: list[FailedShard]
    pairs_per_second: float | None
    """The rate of all active runs together; None if no shard was finished recently."""
    seconds_left: float | None

    @property
    def done(self) -> bool:
        """Whether all shards of all families are finished."""
        return all(family.shards == self.shards for family in self.families)

    def to_dict(self) -> dict[str, Any]:
        """Return the status as a dict of JSON types."""
        return {**asdict(self), "done": self.done}


def read_status(out: Location) -> BuildStatus:
    """Return the status of a build. Raises ShardError if there is no build."""
    fingerprint = read_fingerprint(Layout(out).build)
    plans = plan_shards(fingerprint["pairs"], fingerprint["shard_size"])
    total = sum(plan.count for plan in plans)
    listed = with_listing(out)
    folders = family_folders(listed)
    names = [main_family(fingerprint["audio"]), *folders]
    receipts = [Layout(listed).receipt(plan.name, name) for name in names for plan in plans]
    layout = Layout(with_prefetched(listed, receipts))
    families = [_summarize_family(layout, name, plans) for name in names]
    events = read_events(layout.log)
    claimed = leased_shards(layout.leases)
    running = [plan.name for plan in plans if plan.name in claimed]
    family_of_run = _map_runs_to_families(listed, folders)
    failed = [replace(shard, family=family_of_run.get(shard.run, "")) for shard in list_failed_shards(events)]
    rate = _measure_rate(events, bool(running))
    # A shard is finished when all its families are.
    missing = total - min(family.pairs + family.absent for family in families)
    return BuildStatus(
        out=str(out),
        shards=len(plans),
        pairs=total,
        families=families,
        running=running,
        failed=[shard for shard in failed if shard.shard not in claimed and not _is_finished(shard, layout, names)],
        pairs_per_second=rate,
        seconds_left=missing / rate if rate and running else None,
    )


def list_failed_shards(events: Iterable[Event]) -> list[FailedShard]:
    """Return the shards whose last event is a failure, sorted by name.

    A shard with a pending retry counts too, because its run may have been killed before the retry. The fingerprint
    digest that a run logs at its start tells `rmod encode` and `rmod features` from a build.
    """
    runs: dict[tuple[object, object], str] = {}
    last: dict[tuple[str, str], Event] = {}
    for event in events:
        driver = event.get("host"), event.get("process")
        if event["event"] == BEGIN:
            runs[driver] = str(event.get("fingerprint", ""))
        elif event["event"] in (SHARD, AGAIN, FAILURE):
            last[str(event.get("shard")), runs.get(driver, "")] = event
    return [
        FailedShard(
            shard=shard, key=str(event.get("key", "")), cause=str(event.get("cause", "")), time=event["time"], run=run
        )
        for (shard, run), event in sorted(last.items())
        if event["event"] != SHARD
    ]


def _is_finished(failed: FailedShard, layout: Layout, families: Sequence[str]) -> bool:
    """Return whether a shard was finished after its failure, by a run that logged no event of it."""
    families = [failed.family] if failed.family else families
    return all(layout.receipt(failed.shard, family).exists() for family in families)


def _map_runs_to_families(out: Location, folders: Iterable[str]) -> dict[str, str]:
    """Return the families by the digest that runs of `rmod encode` and `rmod features` log at their start."""
    families = {}
    for folder in folders:
        with suppress(ShardError):  # an invalid description, which `rmod verify` reports
            family = read_folder(out, folder)
            families[family.digest()] = family.folder
    return families


def _summarize_family(layout: Layout, family: str, plans: Sequence[ShardPlan]) -> FamilyStatus:
    receipts = read_existing_receipts(layout, family, plans)
    rejects = Counter[str]()
    for receipt in receipts:
        rejects.update(receipt.rejects)
    return FamilyStatus(
        family=family,
        shards=len(receipts),
        pairs=sum(receipt.pairs for receipt in receipts),
        absent=sum(len(receipt.absent) for receipt in receipts),
        rejects=dict(rejects.most_common()),
        bytes=sum(file.bytes for receipt in receipts for file in receipt.files),
    )


def _measure_rate(events: Sequence[Event], is_running: bool) -> float | None:
    """Return the pairs per second of the recently finished shards, counted from the start of the last run at most."""
    timed = [(_to_timestamp(event["time"]), event) for event in events]
    finished = [(timestamp, int(event.get("pairs", 0))) for timestamp, event in timed if event["event"] == SHARD]
    if not finished:
        return None
    last_finished = finished[-1][0]
    end = time.time() if is_running else last_finished
    starts = [timestamp for timestamp, event in timed if event["event"] == BEGIN and timestamp < last_finished]
    start = max(end - RECENT_SECONDS, starts[-1]) if starts else end - RECENT_SECONDS
    pairs = sum(count for timestamp, count in finished if start <= timestamp <= end)
    return pairs / (end - start) if pairs and end > start else None


def _to_timestamp(text: str) -> float:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        return 0.0
