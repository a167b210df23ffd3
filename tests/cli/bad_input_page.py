"""`docs/guides/bad-input.md`, made of the cases of `test_bad_input.py`.

`python -m tests.cli.bad_input_page docs/guides/bad-input.md` writes the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rmod_pipeline.storage.folders import PACKAGE, shipped_folder
from tests.cli.bad_input import GROUPS, make_world
from tests.cli.bad_input_world import DONE, World


def first_lines(said: str, world: World, most: int = 3) -> str:
    """Return a message as it stands in the page: without frames, and the same on every machine and disk."""
    text = said.replace(f"{world.folder}/", "").replace(str(world.folder), ".")
    text = re.sub(r"[\d.]+ GB free", "N GB free", text)
    text = text.replace(str(shipped_folder("recipes")), "recipes")
    text = text.replace(f"{PACKAGE.parent}/", "")
    text = re.sub(r"\S+/codecs/", "CACHE/codecs/", text)
    lines = [line.strip("╭╮╰╯─│ ") for line in text.splitlines() if not line.startswith(("Usage", "Try"))]
    shown = " ".join([line for line in lines if line and line != "Error"][:most]).removeprefix("Error: ")
    short = shown if len(shown) <= 300 else shown[:297] + "..."
    return short.replace("|", "\\|").replace("[", "\\[").replace("`", "'")


def _line_with(text: str, words: str) -> str:
    return next(line for line in text.splitlines() if words in line)


def page(run: Callable[..., Any], folder: Path) -> str:
    """Run every case and return the page about them."""
    parts, total = [], 0
    for group, cases in GROUPS.items():
        parts += [f"## {group}", "", "| what is wrong | exit code | message |", "| --- | --- | --- |"]
        for case in cases:
            total += 1
            world = make_world(folder / str(total))
            said = run(*case.act(world))
            assert said.code == case.code, (case.name, said)
            told = (said.err or said.out) if case.code != DONE else _line_with(said.out, case.says[0])
            parts.append(f"| {case.name} | {said.code} | {first_lines(told, world)} |")
        parts.append("")
    head = INTRODUCTION.format(total=total)
    return head + "\n".join(parts).rstrip() + "\n\n" + ENDING


INTRODUCTION = """# Bad input

What rmod says to {total} kinds of bad input. This page is written by

    python -m tests.cli.bad_input_page docs/guides/bad-input.md

It does each of these things to a small library and a small data set. `tests/cli/test_bad_input.py` does the same
and checks that the message names what is wrong and what to do, that there is no traceback, that the exit code is the
one given here, and that no finished file has changed.

Exit codes: 0 done, 1 done with findings or failures, 2 a mistake in the input, 130 stopped.

"""

ENDING = """## Disks, signals and other runs

| what happens | what is tested |
| --- | --- |
| a real small disk fills up | exit code 1, no draft left; with more room the same command gives the same bytes |
| the disk is full before the first byte | exit code 2, the folder is named |
| files may not grow beyond a limit | exit code 1, a smaller `--shard-size` is proposed |
| the log of runs cannot be written | a warning; the data set is the same |
| a source is missing, then back | the other shards are made, exit code 1; the same command makes the rest |
| a source cannot be read once | the shard is tried again at the end; nothing is lost, and no byte differs |
| Ctrl-C or SIGTERM, to the driver or to all processes | exit code 130, no process left, nothing half-done |
| SIGKILL five times at random moments | workers end by themselves, no finished shard is lost, the bytes are the same |
| SIGKILL of a worker | its shards are started again alone, then all workers go on; the bytes are the same |
| a shard that kills its worker every time | it fails after three tries, the other shards are made |
| two runs on one folder | each shard is made once; the bytes are the same |
| two runs on one folder with different options | one goes on, the other is refused |
"""


def _run(*arguments: object) -> Any:
    """Run `rmod` as the tests do, but in a process of its own."""
    command = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    return SimpleNamespace(code=run.returncode, out=run.stdout, err=run.stderr)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        os.environ["RMOD_CACHE"] = f"{name}/cache"
        Path(sys.argv[1]).write_text(page(_run, Path(name)), encoding="utf-8")
