"""`rmod build`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmod_pipeline.cli.kit import open_library

if TYPE_CHECKING:
    from rmod_pipeline.build.job import Job
    from rmod_pipeline.build.outcome import Failure
    from rmod_pipeline.build.run import Summary


LINE_SECONDS = 30.0
"""Between two lines of progress in a log."""

WHAT, HOW = "What is made", "How it is made"


def build(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name such as quick or rmod, or a YAML file.")],
    library: Annotated[
        str,
        typer.Option(
            metavar="NAME.csv", help="A manifest that `rmod library scan` wrote, or `builtin`.", rich_help_panel=WHAT
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The folder to write, or to go on with if it is this build's.", rich_help_panel=WHAT
        ),
    ],
    pairs: Annotated[
        str, typer.Option(metavar="SPLIT=N,...", help="How many pairs of train, valid and test.", rich_help_panel=WHAT)
    ] = "train=100,valid=10,test=10",
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Another number gives another data set of the same kind.", rich_help_panel=WHAT),
    ] = 0,
    shard_size: Annotated[
        int, typer.Option(metavar="PAIRS", help="Pairs in a tar; the pairs do not depend on it.", rich_help_panel=WHAT)
    ] = 100,
    audio_format: Annotated[
        str, typer.Option("--format", metavar="wav|flac", help="flac is the same sound, smaller.", rich_help_panel=WHAT)
    ] = "wav",
    stems: Annotated[
        bool, typer.Option("--stems", help="Store every track too, as it joins the mixture.", rich_help_panel=WHAT)
    ] = False,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="What applies the effects.", rich_help_panel=WHAT)
    ] = "pedalboard",
    workers: Annotated[
        int,
        typer.Option(metavar="N", help="Processes that render: as many as cores, or fewer.", rich_help_panel=HOW),
    ] = 1,
    cache_gb: Annotated[
        float,
        typer.Option(metavar="GB", help="Disk that pitch-shifted loops may take in the cache.", rich_help_panel=HOW),
    ] = 4.0,
    space_check: Annotated[
        bool, typer.Option(help="Look first whether there is room on the disk.", rich_help_panel=HOW)
    ] = True,
) -> None:
    """Make a data set: pairs of a mixture and its dry one-shots, in shards.

    A build that was stopped, by Ctrl-C or a power cut, goes on where it was when the same command is given again. The
    same recipe, library and seed give the same bytes, with any number of workers. Two machines that share the folder
    share the work. Exits with 1 if a shard failed: the others are finished, and the same command makes what is missing.

    Examples:

        rmod build quick --library builtin --out demo --pairs train=40,valid=4,test=4 --shard-size 10

        rmod build recipes/rmod.yaml --library lib.csv --out OUT --pairs train=300,valid=30,test=30 --workers 2
    """
    from rmod_pipeline.build.executors.local import local_executor
    from rmod_pipeline.build.plan import check_shard_size, parse_counts
    from rmod_pipeline.build.run import run_build

    counts = parse_counts(pairs)
    executor = local_executor(round(_at_least("--workers", workers, 1)))
    job = _job(
        recipe,
        library,
        out,
        counts=counts,
        seed=seed,
        shard_size=check_shard_size(counts, shard_size),
        audio_format=audio_format,
        stems=stems,
        engine=engine,
        cache_bytes=round(_at_least("--cache-gb", cache_gb, 0) * 2**30),
    )
    with _bar() as bar:
        summary = run_build(job, executor, bar, space_check)
    _tell(summary, out)
    if summary.failures:
        raise typer.Exit(1)


def _job(recipe: str, library: str, out: Path, **options: Any) -> Job:
    from rmod_pipeline.build.job import Job
    from rmod_pipeline.effects import check_engine
    from rmod_pipeline.errors import UsageError, nearest
    from rmod_pipeline.recipe import find_recipe, load_recipe
    from rmod_pipeline.render.pitch import pitch_folder
    from rmod_pipeline.shards.members import FORMATS

    audio_format = options["audio_format"]
    if audio_format not in FORMATS:
        found = f"unknown '{audio_format}'{nearest(audio_format, FORMATS)}"
        raise UsageError("--format", found, f"choose {' or '.join(FORMATS)}")
    check_engine(options["engine"])
    if out.exists() and not out.is_dir():
        raise UsageError("--out", f"{out} is a file", "give a folder")
    loaded = load_recipe(find_recipe(recipe))
    return Job(recipe=loaded, library=open_library(library), out=out.resolve(), cache=pitch_folder(), **options)


def _at_least(option: str, value: float, least: int) -> float:
    from rmod_pipeline.errors import UsageError

    if not math.isfinite(value):
        raise UsageError(option, f"{value} is no number", f"give {least} or more")
    if value < least:
        raise UsageError(option, f"{value} is too small", f"give {least} or more")
    return value


def _bar() -> Any:
    """Return the build's progress: a bar with rate and time left; where nobody looks on, a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from rmod_pipeline.build.run import Progress

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
            pace = _pace(made, self._total - self._done, seconds)
            self._bar.update(self._task, completed=self._done, pace=pace)
            if self._plain and now - self._told >= LINE_SECONDS:
                self._told = now
                typer.echo(f"{self._done} of {self._total} pairs, {pace or 'none yet'}", err=True)

        def fail(self, failure: Failure) -> None:
            self._bar.console.print(f"{failure.shard} failed", style="red", highlight=False)
            self._bar.console.print(failure.cause, highlight=False, markup=False, soft_wrap=True)

    return BuildBar()


def _pace(made: int, missing: int, seconds: float) -> str:
    """Return rate and time left in words, once there is something to tell them by."""
    if made < 1 or seconds <= 0:
        return ""
    rate = made / seconds
    left = round(missing / rate)
    hours, minutes = left // 3600, left % 3600 // 60
    time_left = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {left % 60:02d} s"
    return f"{rate:.1f} pairs/s, {time_left} left"


def _tell(summary: Summary, out: Path) -> None:
    from rmod_pipeline.build.space import gigabytes

    counted = ", ".join(f"{count} {split}" for split, count in summary.pairs.items()) or "no pairs"
    typer.echo(f"{out}: {counted}; {gigabytes(summary.bytes)}.")
    if summary.made:
        rate = summary.made / summary.seconds
        typer.echo(f"Made {summary.made} pairs in {summary.seconds:.1f} s, {rate:.1f} pairs/s.")
    elif not summary.failures:
        typer.echo("Nothing to do: everything was there already.")
    if summary.rejects:
        listed = ", ".join(f"{reason} {count}" for reason, count in summary.rejects.items())
        typer.echo(f"Rejected and drawn again: {listed}.")
    if summary.absent:
        typer.echo(f"{summary.absent} keys stay absent: all their attempts were rejected, see the index.")
    if summary.failures:
        names = ", ".join(failure.shard for failure in summary.failures)
        typer.secho(f"{len(summary.failures)} shard(s) failed: {names}.", fg=typer.colors.RED, err=True)
        typer.echo("Mend the cause above and give the same command again: what is missing is made.", err=True)
        return
    typer.echo(f"Next: rmod verify {out} --rerender 4; rmod preview {out}")
