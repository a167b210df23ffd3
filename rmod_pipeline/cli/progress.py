"""What the commands that make shards say: a bar while they run, and a summary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rmod_pipeline.pipeline.encoding import TokenSettings
    from rmod_pipeline.pipeline.results import ShardFailure
    from rmod_pipeline.pipeline.run import BuildSummary
    from rmod_pipeline.storage import Location

MOST_SHOWN = 20
"""Failed shards listed at the end."""

LINE_SECONDS = 30.0
"""Between two lines of progress in a log."""


def build_bar() -> Any:
    """Return the build's progress: a bar with rate and time left; where nobody looks on, a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from rmod_pipeline.pipeline.scheduler import BuildProgress

    class BuildBar(BuildProgress):
        def __init__(self) -> None:
            console = Console(stderr=True)
            self._plain = not console.is_terminal
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[pace]}"),
                console=console,
                disable=self._plain,
            )

        def __enter__(self) -> BuildBar:
            self._bar.start()
            return self

        def __exit__(self, *_: object) -> None:
            self._bar.stop()

        def start(self, done: int, total: int) -> None:
            if done:
                typer.echo(f"{done} of {total} pairs are there already.", err=True)
            self._begun = self._told = time.monotonic()
            self._there, self._done, self._total = done, done, total
            self._task = self._bar.add_task("pairs", total=total, completed=done, pace="")

        def advance(self, pairs: int) -> None:
            self._done += pairs
            now = time.monotonic()
            seconds, made = now - self._begun, self._done - self._there
            pace = pace_in_words(made, self._total - self._done, seconds)
            self._bar.update(self._task, completed=self._done, pace=pace)
            if self._plain and now - self._told >= LINE_SECONDS:
                self._told = now
                typer.echo(f"{self._done} of {self._total} pairs, {pace or 'none yet'}", err=True)

        def fail(self, failure: ShardFailure) -> None:
            self._bar.console.print(f"{failure.shard} failed", style="red", highlight=False)
            self._bar.console.print(failure.cause, highlight=False, markup=False, soft_wrap=True)

    return BuildBar()


def pace_in_words(made: int, missing: int, seconds: float) -> str:
    """Return rate and time left in words, once there is something to tell them by."""
    if made < 1 or seconds <= 0:
        return ""
    rate = made / seconds
    return f"{rate:.1f} pairs/s, {time_in_words(missing / rate)} left"


def time_in_words(seconds: float) -> str:
    """Return ``2 h 46 min`` or ``0 min 12 s``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {whole % 60:02d} s"


def share_in_words(part: float, whole: float) -> str:
    """Return ``12.3 s of 100.0 s (12 %)``."""
    return f"{part:.1f} s of {whole:.1f} s ({part / whole:.0%})" if whole else f"{part:.1f} s"


def print_summary(summary: BuildSummary, where: Location, verb: str) -> None:
    """Say what stands there, and what this run did."""
    from rmod_pipeline.pipeline.jobs.disk_space import gigabytes

    counted = ", ".join(f"{count} {split}" for split, count in summary.pairs.items()) or "no pairs"
    typer.echo(f"{where}: {counted}; {gigabytes(summary.bytes)}.")
    if summary.made:
        rate = summary.made / summary.seconds
        typer.echo(f"{verb} {summary.made} pairs in {summary.seconds:.1f} s, {rate:.1f} pairs/s.")
    elif not summary.failures:
        typer.echo("Nothing to do: everything was there already.")
    waits = summary.waits
    if waits.encoders:
        workers = f"workers {share_in_words(waits.for_encoders, waits.workers)} for encoders"
        encoders = f"encoders {share_in_words(waits.for_workers, waits.encoders)} for workers"
        typer.echo(f"Waited: {workers}, {encoders}.")


def print_precision(encoding: TokenSettings, out: Location) -> None:
    """Say what a lower precision than fp32 changed."""
    from rmod_pipeline.inspection.precision import share_unlike_fp32

    if encoding.choice.precision != "fp32":
        share, count = share_unlike_fp32(out, encoding)
        typer.echo(f"{encoding.choice.precision}: {share:.2%} of the tokens of {count} mixtures differ from fp32's.")


def print_failures(summary: BuildSummary) -> bool:
    """Say which shards failed; return whether any did."""
    if summary.failures:
        typer.secho(f"{len(summary.failures)} shard(s) failed:", fg=typer.colors.RED, err=True)
        for failure in summary.failures[:MOST_SHOWN]:
            at = f" at {failure.key}" if failure.key else ""
            typer.echo(f"  {failure.shard}{at}: {failure.cause}", err=True)
        if len(summary.failures) > MOST_SHOWN:
            typer.echo(f"  and {len(summary.failures) - MOST_SHOWN} more: see rmod status", err=True)
        typer.echo("Mend the cause above and give the same command again: what is missing is made.", err=True)
    return bool(summary.failures)
