"""OUT/log: what happened when. The only part of a data set that differs from run to run."""

from __future__ import annotations

import json
import os
import platform
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RUNS = "runs.jsonl"
LIBRARY = "library.json"


def append_event(log: Path, event: str, **details: Any) -> None:
    """Append a line to the log of runs."""
    log.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "host": socket.gethostname(), "process": os.getpid(), "event": event, **details}
    with (log / RUNS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def remember_library(log: Path, manifest: Path) -> None:
    """Note where the library lay, so that `verify --rerender` finds it; build.json holds only its digest."""
    log.mkdir(parents=True, exist_ok=True)
    content = {"manifest": str(manifest.resolve()), "processor": processor()}
    (log / LIBRARY).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def recall_library(log: Path) -> dict[str, str]:
    """Return what ``remember_library`` noted; nothing if it is gone."""
    try:
        content = json.loads((log / LIBRARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def processor() -> str:
    """Return the family of this machine's processor: within one, audio is promised to the bit."""
    return f"{platform.machine()} {platform.system()}"
