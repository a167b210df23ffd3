"""OUT/log: what happened when. The only part of a data set that differs from run to run."""

from __future__ import annotations

import json
import logging
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from rmod_pipeline.audio import processor_family
from rmod_pipeline.storage import Location, StoreError, StorePath
from rmod_pipeline.storage.publish import publish_bytes

logger = logging.getLogger(__name__)

BEGIN = "begin"
"""The event that opens a run."""

SHARD, AGAIN, FAILURE = "shard", "again", "failure"
"""The events that end a shard: made, to be tried once more, failed."""

REFUSED = "refused"
"""The event of a machine that may take no part."""

END = "end"
"""The event that closes a run."""

Event = dict[str, Any]
"""A line of the log: when, where, what, and what belongs to it."""

RUNS = "runs.jsonl"
EVENTS = "runs"
"""On a store, where nothing can be appended to: an object an event, in the order of their names."""

LIBRARY = "library.json"


def append_event(log: Location, event: str, **details: Any) -> None:
    """Append a line to the log of runs. A log that cannot be written stops no build."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    content = {"time": now, "host": socket.gethostname(), "process": os.getpid(), "event": event, **details}
    line = json.dumps(content, ensure_ascii=False) + "\n"
    try:
        if isinstance(log, StorePath):
            (log / EVENTS / f"{now[:23].replace(':', '')}-{uuid4().hex[:8]}.json").write_bytes(line.encode())
            return
        log.mkdir(parents=True, exist_ok=True)
        with (log / RUNS).open("a", encoding="utf-8") as file:
            file.write(line)
    except (OSError, StoreError) as error:
        level = logging.WARNING if event == BEGIN else logging.DEBUG  # once is enough
        logger.log(level, "the log of runs cannot be written: %s", error)


def read_events(log: Location) -> list[Event]:
    """Return what happened, oldest first; a line that was cut, or that two machines wrote into, is left out."""
    try:
        if isinstance(log, StorePath):
            paths = sorted((log / EVENTS).glob("*.json"), key=str)
            there = (log / EVENTS).with_prefetched(paths)
            lines = [(there / path.name).read_bytes() for path in paths]
        else:
            lines = (log / RUNS).read_bytes().splitlines()
    except OSError:
        return []
    events = []
    for line in lines:
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and isinstance(event.get("time"), str) and "event" in event:
                events.append(event)
    return events


def remember_library(log: Location, manifest: Location, drafts: Path) -> None:
    """Note where the library lay, so that `verify --rerender` finds it; build.json holds only its digest."""
    # Shards made on two kinds of processor are the same bytes on neither.
    known = recall_library(log).get("processor", "")
    processors = sorted({*filter(None, known.split(" and ")), processor_family()})
    content = {"manifest": str(manifest.resolve()), "processor": " and ".join(processors)}
    publish_bytes(json.dumps(content, indent=1).encode() + b"\n", log / LIBRARY, drafts)


def recall_library(log: Location) -> dict[str, str]:
    """Return what ``remember_library`` noted; nothing if it is gone."""
    try:
        content = json.loads((log / LIBRARY).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
