"""Write and read OUT/log: the events of all runs, and where the library was. Equal builds may have different logs."""

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
"""The first event of a run."""

SHARD, AGAIN, FAILURE = "shard", "again", "failure"
"""The last event of a shard: it is made, it will be tried once more, or it has failed."""

REFUSED = "refused"
"""The event of a machine that is excluded from a run."""

END = "end"
"""The last event of a run."""

Event = dict[str, Any]
"""An entry of the log: time, host, process, event, and details of the event."""

RUNS = "runs.jsonl"
"""The file of events on a disk, with one event per line."""

EVENTS = "runs"
"""The folder of events on a store, which cannot append: one object per event, named by time."""

LIBRARY = "library.json"


def append_event(log: Location, event: str, **details: Any) -> None:
    """Append an event to the log. An error while writing is logged and does not stop the build."""
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
        level = logging.WARNING if event == BEGIN else logging.DEBUG  # one warning per run is enough
        logger.log(level, "the log of runs cannot be written: %s", error)


def read_events(log: Location) -> list[Event]:
    """Return the events, oldest first. Skips damaged lines: two machines may write to one file at the same time."""
    try:
        if isinstance(log, StorePath):
            paths = sorted((log / EVENTS).glob("*.json"), key=str)
            folder = (log / EVENTS).with_prefetched(paths)
            lines = [(folder / path.name).read_bytes() for path in paths]
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


def record_library(log: Location, manifest: Location, drafts: Path, grooves: Location | None = None) -> None:
    """Record the manifests of the library and of the grooves for `verify --rerender`: build.json has digests only.

    Also records the processor families of all runs: audio is equal only within one family.
    """
    families = read_library_record(log).get("processor", "").split(" and ")
    processors = sorted({*filter(None, families), processor_family()})
    content = {"manifest": str(manifest.resolve()), "processor": " and ".join(processors)}
    if grooves is not None:
        content["grooves"] = str(grooves.resolve())
    publish_bytes(json.dumps(content, indent=1).encode() + b"\n", log / LIBRARY, drafts)


def read_library_record(log: Location) -> dict[str, str]:
    """Return what ``record_library`` wrote: ``manifest``, ``processor``, ``grooves`` if any; empty if it is missing."""
    try:
        content = json.loads((log / LIBRARY).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}
