"""What the commands that make shards say: a bar while they run, and a summary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rmod_pipeline.build.encoding import Encoding
    from rmod_pipeline.build.outcome import Failure
    from rmod_pipeline.build.run import Summary
    from rmod_pipeline.storage import Place

LINE_SECONDS = 30.0
"""Between two lines of progress in a log."""


def build_bar() -> Any:
    """Return the build's progress: a bar with rate and time left; where nobody looks on, a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from rmod_pipeline.build.loop import Progress

    class BuildBar(Progress):
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

        def fail(self, failure: Failure) -> None:
            self._bar.console.print(f"{failure.shard} failed", style="red", highlight=False)
            self._bar.console.print(failure.cause, highlight=False, markup=False, soft_wrap=True)

    return BuildBar()


def pace_in_words(made: int, missing: int, seconds: float) -> str:
    """Return rate and time left in words, once there is something to tell them by."""
    if made < 1 or seconds <= 0:
        return ""
    rate = made / seconds
    left = round(missing / rate)
    hours, minutes = left // 3600, left % 3600 // 60
    time_left = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {left % 60:02d} s"
    return f"{rate:.1f} pairs/s, {time_left} left"


def tell_summary(summary: Summary, where: Place, verb: str) -> None:
    """Say what stands there, and what this run did."""
    from rmod_pipeline.build.space import gigabytes

    counted = ", ".join(f"{count} {split}" for split, count in summary.pairs.items()) or "no pairs"
    typer.echo(f"{where}: {counted}; {gigabytes(summary.bytes)}.")
    if summary.made:
        rate = summary.made / summary.seconds
        typer.echo(f"{verb} {summary.made} pairs in {summary.seconds:.1f} s, {rate:.1f} pairs/s.")
    elif not summary.failures:
        typer.echo("Nothing to do: everything was there already.")


def tell_precision(encoding: Encoding, out: Place) -> None:
    """Say what a lower precision than fp32 changed."""
    from rmod_pipeline.build.precision import share_unlike_fp32

    if encoding.choice.precision != "fp32":
        share, count = share_unlike_fp32(out, encoding)
        typer.echo(f"{encoding.choice.precision}: {share:.2%} of the tokens of {count} mixtures differ from fp32's.")


def tell_failures(summary: Summary) -> bool:
    """Say which shards failed; return whether any did."""
    if summary.failures:
        names = ", ".join(failure.shard for failure in summary.failures)
        typer.secho(f"{len(summary.failures)} shard(s) failed: {names}.", fg=typer.colors.RED, err=True)
        typer.echo("Mend the cause above and give the same command again: what is missing is made.", err=True)
    return bool(summary.failures)
