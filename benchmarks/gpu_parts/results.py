"""Keep the results of all parts in OUT/gpu.json and OUT/gpu.md, which are written anew after every figure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import BuildError
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable

JSON, PAGE = "gpu.json", "gpu.md"
RUNNING, DONE = "running", "done"

Row = Mapping[str, Any]
"""A row of a table: its cells by column."""


class Results:
    """The results in a folder; the methods that add something add it to one part."""

    def __init__(self, out: Path, part: str = "") -> None:
        """Read what the folder has already. Raises BuildError if its gpu.json is another file."""
        self.out, self.part = out, part
        self.content: dict[str, Any] = read_results(out)

    @property
    def own(self) -> dict[str, Any]:
        """The results of the part."""
        empty = {"status": RUNNING, "figures": {}, "tables": {}, "skipped": [], "absent": []}
        own: dict[str, Any] = self.content["parts"].setdefault(self.part, empty)
        return own

    def describe(self, **fields: Any) -> None:
        """Add to what is said of the machine and of the run."""
        self.content["run"].update(fields)
        self.write()

    def figure(self, name: str, value: Any) -> None:
        """Add a figure, or replace it."""
        self.own["figures"][name] = value
        self.write()
        print(f"{self.part}: {name}: {format_value(value)}", flush=True)

    def row(self, table: str, row: Row) -> None:
        """Add a row to a table."""
        self.own["tables"].setdefault(table, []).append(dict(row))
        self.write()
        print(f"{self.part}: {table}: " + ", ".join(f"{k} {format_value(v)}" for k, v in row.items()), flush=True)

    def skip(self, what: str, why: str) -> None:
        """Record what was due and is not measured, so that the part is not done completely."""
        self._leave_out("skipped", what, why)

    def absent(self, what: str, why: str) -> None:
        """Record what this machine does not have or what this run does not ask for, which is no fault."""
        self._leave_out("absent", what, why)

    def begin(self, limit_seconds: float) -> None:
        """Begin the part anew."""
        self.content["parts"].pop(self.part, None)
        self.own["limit_seconds"] = round(limit_seconds, 1)
        self.write()

    def end(self, status: str, seconds: float) -> None:
        """Record how the part ended."""
        self.own.update(status=status, seconds=round(seconds, 1))
        self.write()

    @property
    def is_complete(self) -> bool:
        """Whether the part has ended with nothing skipped."""
        return self.own["status"] == DONE and not self.own["skipped"]

    def write(self) -> None:
        """Write both files, each at once."""
        with report_unwritable(self.out / JSON, kind=BuildError):
            self.out.mkdir(parents=True, exist_ok=True)
            publish_bytes(json.dumps(self.content, indent=1).encode() + b"\n", self.out / JSON, self.out)
            publish_bytes("\n".join(render_page(self.content)).encode() + b"\n", self.out / PAGE, self.out)

    def _leave_out(self, kind: str, what: str, why: str) -> None:
        self.own[kind].append({"what": what, "why": why})
        self.write()
        print(f"{self.part}: {kind}: {what}: {why}", flush=True)


def read_results(out: Path) -> dict[str, Any]:
    """Return the content of a folder's gpu.json, empty if there is none. Raises BuildError for another file."""
    path = out / JSON
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {"run": {}, "parts": {}}
    except (OSError, ValueError) as error:
        raise BuildError(
            path, f"not the results of this script: {error}", "remove it, or choose another --out"
        ) from error
    if not isinstance(content, dict) or not {"run", "parts"} <= content.keys():
        raise BuildError(path, "not the results of this script", "remove it, or choose another --out")
    return content


def render_page(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# What this machine makes of rmod\n"
    for name, value in content["run"].items():
        yield f"- {name}: {format_value(value)}"
    for part, own in content["parts"].items():
        seconds = f", {own['seconds']:g} s" if "seconds" in own else ""
        yield f"\n## {part}\n\n{own['status']}{seconds} of at most {own.get('limit_seconds', 0):g} s\n"
        if own["figures"]:
            yield "| figure | value |\n|---|---|"
            yield from (f"| {name} | {format_value(value)} |" for name, value in own["figures"].items())
        for title, rows in own["tables"].items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            yield f"\n{title}:\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
            for row in rows:
                yield f"| {' | '.join(format_value(row.get(column, '')) for column in columns)} |"
        for kind, title in (("skipped", "Skipped"), ("absent", "Not measured here")):
            if own[kind]:
                yield f"\n{title}:\n"
                yield from (f"- {each['what']}: {each['why']}" for each in own[kind])


def format_value(value: Any) -> str:
    """Return a value as text: numbers with four significant digits, no bars that would end a cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|").replace("\n", " ")
