"""Compare how fast two versions of rmod build pairs: processor time per pair of `rmod build`, in turns.

    git worktree add ../earlier 4c0ffee
    python benchmarks/versions.py --earlier ../earlier --library lib.csv [--pairs 200] [--repeats 3] [--write]

Both use this environment. Each builds one pair, and 1 + --pairs pairs, by one worker; the difference is what a pair
costs. A build before the turns fills each version's own cache. `--write` puts the table into docs/lab/performance.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from performance import PAGE, describe_machine, report
from render import spread

BEGIN, END = "<!-- written by benchmarks/versions.py -->\n", "<!-- end of versions -->\n"
ROOT = Path(__file__).parents[1]


def build(checkout: Path, options: argparse.Namespace, cache: Path, pairs: int) -> float:
    """Build pairs with the code of a checkout; return the processor time of the command and its workers, in s."""
    command = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()", "build", options.recipe]
    command += ["--library", options.library, "--pairs", f"train={pairs}", "--workers", "1"]
    variables = {"PYTHONPATH": str(checkout.absolute()), "RMOD_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as out:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command += ["--out", f"{out}/pairs"]
        run = subprocess.run(command, check=False, env=os.environ | variables, cwd=out, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode:
        raise SystemExit(f"{checkout}: {run.stderr.strip()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def describe_version(checkout: Path) -> str:
    """Return commit and date of a checkout; a commit that was changed since is named so."""
    git = ["git", "-C", str(checkout)]
    commands = ([*git, "describe", "--always", "--dirty"], [*git, "log", "-1", "--date=short", "--format=%ad"])
    runs = [subprocess.run(command, check=False, capture_output=True, text=True) for command in commands]
    commit, date = (run.stdout.strip() for run in runs)
    return f"{commit} of {date}" if commit else checkout.name


def measure(options: argparse.Namespace) -> str:
    """Return the section of the page."""
    versions = {"earlier": options.earlier, "this one": ROOT}
    with tempfile.TemporaryDirectory() as caches:
        for name, checkout in versions.items():
            build(checkout, options, Path(caches) / name, 1 + options.pairs)
        found: dict[str, list[float]] = {name: [] for name in versions}
        for _ in range(options.repeats):
            for name, checkout in versions.items():
                one, many = (build(checkout, options, Path(caches) / name, pairs) for pairs in (1, 1 + options.pairs))
                found[name].append(1000 * (many - one) / options.pairs)
    ratios = [one / other for one, other in zip(found["earlier"], found["this one"], strict=True)]
    rows = [
        f"| {describe_version(options.earlier)} | {spread(found['earlier'], '.1f')} | 1.00 |",
        f"| {describe_version(ROOT)} | {spread(found['this one'], '.1f')} | {spread(ratios, '.2f')} |",
    ]
    introduction = (
        f"`rmod build {options.recipe}`, WAV, one worker, {options.pairs} pairs more than one, {options.repeats} "
        "turns: processor time per pair, median (range), with both caches filled."
    )
    table = ["| version | ms per pair | times as fast |", "|---|---|---|", *rows]
    return "\n\n".join([introduction, describe_machine(), "\n".join(table)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--earlier", type=Path, required=True, help="a checkout of the earlier version")
    parser.add_argument("--library", required=True, help="a manifest that both versions read")
    parser.add_argument("--recipe", default="rmod", help="a recipe's name")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    options = parser.parse_args()
    if options.library != "builtin":
        options.library = str(Path(options.library).absolute())
    report(measure, options, BEGIN, END)


if __name__ == "__main__":
    main()
