"""Write how many statements of each room the tests reach, as Markdown.

    make coverage

runs all tests with coverage and then this script, which writes docs/lab/coverage.md. Without measured data it does
nothing. The page ends with a section that is written by hand, and kept: why some lines are not reached.
"""

from __future__ import annotations

import argparse
import platform
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import NoDataError

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "rmod_pipeline"

HEAD = """# Coverage

`make coverage` runs all tests and writes this page: the statements of each room, and how many of them no test reaches.
It prints their lines. The figures are from Python {python}. Statements in other processes count too, unless the process
is killed at once, as Ray ends most of its own: such a process cannot write what it has reached.

| room | statements | missed | covered |
|---|---:|---:|---:|
"""

NOTES = "## What is not reached, and why\n"
"""The heading of the section that is written by hand."""


@dataclass
class Count:
    """Statements, and how many of them no test reaches."""

    statements: int = 0
    missed: int = 0

    def row(self, room: str) -> str:
        """Return a row of the Markdown table."""
        covered = 100 * (1 - self.missed / max(1, self.statements))
        return f"| {room} | {self.statements:,} | {self.missed:,} | {covered:.1f} % |\n"


def main() -> None:
    """Combine the data of all processes and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "lab" / "coverage.md")
    parser.add_argument("--lines", action="store_true", help="also print the lines that no test reaches")
    options = parser.parse_args()
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    try:
        page, lines = describe(coverage)
    except NoDataError:
        print("skipped: no coverage was measured; run `make coverage`")
        return
    page += read_notes(options.page)
    options.page.write_text(page, encoding="utf-8")
    print(page)
    if options.lines:
        print(lines)


def describe(coverage: Coverage) -> tuple[str, str]:
    """Return the page, and the missed lines of every module. Raises NoDataError if nothing was measured."""
    rooms: defaultdict[str, Count] = defaultdict(Count)
    total, lines = Count(), ""
    if not coverage.get_data().measured_files():
        raise NoDataError("no file was measured")
    for path in sorted(PACKAGE.rglob("*.py")):
        _, statements, _, missed, missed_text = coverage.analysis2(str(path))
        parts = path.relative_to(PACKAGE).parts
        for count in (rooms[parts[0] if len(parts) > 1 else "modules of the package itself"], total):
            count.statements += len(statements)
            count.missed += len(missed)
        if missed:
            lines += f"{path.relative_to(ROOT)}: {missed_text}\n"
    rows = [count.row(f"`{room}`" if " " not in room else room) for room, count in sorted(rooms.items())]
    head = HEAD.format(python=".".join(platform.python_version_tuple()[:2]))
    return head + "".join(rows) + total.row("**all**"), lines


def read_notes(page: Path) -> str:
    """Return the section of the page that is written by hand, if there is one."""
    _, heading, notes = page.read_text(encoding="utf-8").partition(NOTES) if page.exists() else ("", "", "")
    return f"\n{heading}{notes}" if heading else ""


if __name__ == "__main__":
    main()
