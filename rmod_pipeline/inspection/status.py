"""How far is a build? Told from its receipts and OUT/log alone, on any machine that sees the folder."""

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
from rmod_pipeline.pipeline.leases import claimed_shards
from rmod_pipeline.shards.completion import read_existing_receipts
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import TOKENS, Layout, ShardPlan, main_family, plan_shards
from rmod_pipeline.shards.token_family import family_names, read_family
from rmod_pipeline.storage import Location, with_listing, with_prefetched

RECENT_SECONDS = 900.0
"""The rate is that of the shards finished within this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedShard:
    """A shard whose last try failed."""

    shard: str
    key: str
    cause: str
    time: str
    run: str = ""
    """The digest of what the run made: of a data set's build.json, or of a family of tokens; empty if it said none."""
    family: str = ""
    """The tokens that an `rmod encode` failed to make; empty if it was a build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyStatus:
    """What stands of one family of shards: counted from its receipts."""

    family: str
    shards: int
    pairs: int
    absent: int
    rejects: dict[str, int]
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStatus:
    """How far a build is."""

    out: str
    shards: int
    """Of the whole data set; each family is to have as many."""
    pairs: int
    families: list[FamilyStatus]
    running: list[str]
    """Shards that somebody has a lease on."""
    failed: list[FailedShard]
    pairs_per_second: float | None
    """Of all runs at work together; None if no shard was finished lately."""
    seconds_left: float | None

    @property
    def done(self) -> bool:
        """Whether all shards of all families are there."""
        return all(family.shards == self.shards for family in self.families)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "done": self.done}


def read_status(out: Location) -> BuildStatus:
    """Return how far a build is. Raises ShardError where there is none."""
    fingerprint = read_fingerprint(Layout(out).build)
    plans = plan_shards(fingerprint["pairs"], fingerprint["shard_size"])
    total = sum(plan.count for plan in plans)
    there = with_listing(out)
    tokens = family_names(there)
    names = [main_family(fingerprint["audio"]), *(f"{TOKENS}/{name}" for name in tokens)]
    layout = Layout(there)
    layout = Layout(with_prefetched(there, [layout.receipt(plan.name, name) for name in names for plan in plans]))
    families = [_family(layout, name, plans) for name in names]
    events = read_events(layout.log)
    at_work = claimed_shards(layout.leases)
    running = [plan.name for plan in plans if plan.name in at_work]
    runs = _token_runs(there, tokens)

    def open_still(failed: FailedShard) -> bool:
        # What is there was made by another run, or by one that was killed before it could say so.
        wanted = [failed.family] if failed.family else names
        there = all(layout.receipt(failed.shard, name).exists() for name in wanted)
        return not there and failed.shard not in at_work

    failed = [replace(each, family=runs.get(each.run, "")) for each in failed_shards(events)]
    rate = _rate(events, bool(running))
    # A shard is done when all of its families are.
    missing = total - min(family.pairs + family.absent for family in families)
    return BuildStatus(
        out=str(out),
        shards=len(plans),
        pairs=total,
        families=families,
        running=running,
        failed=[each for each in failed if open_still(each)],
        pairs_per_second=rate,
        seconds_left=missing / rate if rate and running else None,
    )


def failed_shards(events: Iterable[Event]) -> list[FailedShard]:
    """Return the shards whose last event is a failure, in order of their names.

    One that was to be tried again counts too: its run may have been killed before. A build and an `rmod encode` are
    told apart by what their drivers said when they began.
    """
    begun: dict[tuple[object, object], str] = {}
    last: dict[tuple[str, str], Event] = {}
    for event in events:
        driver = event.get("host"), event.get("process")
        if event["event"] == BEGIN:
            begun[driver] = str(event.get("fingerprint", ""))
        elif event["event"] in (SHARD, AGAIN, FAILURE):
            last[str(event.get("shard")), begun.get(driver, "")] = event
    return [
        FailedShard(
            shard=shard, key=str(event.get("key", "")), cause=str(event.get("cause", "")), time=event["time"], run=run
        )
        for (shard, run), event in sorted(last.items())
        if event["event"] != SHARD
    ]


def _token_runs(out: Location, names: Iterable[str]) -> dict[str, str]:
    """Return the families of tokens by the digest that runs of `rmod encode` begin with."""
    found = {}
    for name in names:
        with suppress(ShardError):  # a codec.json that somebody wrote into: `rmod verify` says so
            family = read_family(out, name)
            found[family.digest()] = family.folder
    return found


def _family(layout: Layout, family: str, plans: Sequence[ShardPlan]) -> FamilyStatus:
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


def _rate(events: Sequence[Event], running: bool) -> float | None:
    """Return the pairs a second of the shards finished lately, from when a run began or the first of them was over."""
    times = [(_seconds(event["time"]), event) for event in events]
    made = [(when, int(event.get("pairs", 0))) for when, event in times if event["event"] == SHARD]
    if not made:
        return None
    end = time.time() if running else made[-1][0]
    since = end - RECENT_SECONDS
    begun = [when for when, event in times if event["event"] == BEGIN and when < made[-1][0]]
    start = max(since, begun[-1] if begun else since)
    pairs = sum(count for when, count in made if start <= when <= end)
    return pairs / (end - start) if pairs and end > start else None


def _seconds(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).astimezone(UTC).timestamp()
    except ValueError:
        return 0.0
