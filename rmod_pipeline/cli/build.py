"""`rmod build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rmod_pipeline.build.job import Job
    from rmod_pipeline.build.outcome import Failure
    from rmod_pipeline.build.run import Summary


def build(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's file, or the name of one that comes with rmod: quick, rmod.")
    ],
    library: Annotated[str, typer.Option(help="A manifest written by `rmod library scan`, or `builtin`.")],
    out: Annotated[
        Path, typer.Option(help="The folder to write; made if missing, gone on with if it is this build's.")
    ],
    pairs: Annotated[str, typer.Option(help="How many pairs of each split.")] = "train=100,valid=10,test=10",
    seed: Annotated[int, typer.Option(help="Another seed gives another data set of the same kind.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that render; the bytes do not depend on it.")] = 1,
    shard_size: Annotated[int, typer.Option(help="Pairs in a tar, about 1.2 MB each as WAV.")] = 100,
    audio_format: Annotated[str, typer.Option("--format", help="wav or flac.")] = "wav",
    stems: Annotated[bool, typer.Option("--stems", help="Store every track too, as it joins the mixture.")] = False,
    engine: Annotated[str, typer.Option(help="What applies the effects.")] = "pedalboard",
    cache_gb: Annotated[float, typer.Option(help="Disk that pitch-shifted loops may take in the cache.")] = 4.0,
    space_check: Annotated[bool, typer.Option(help="Check for room on the disk first.")] = True,
) -> None:
    """Make a data set: pairs of a mixture and its dry one-shots, in shards.

    A build that was stopped, by Ctrl-C or a power cut, goes on where it was when the same command is given again. The
    same recipe, library and seed give the same bytes, with any number of workers.

    Examples:

        rmod build quick --library builtin --out demo --pairs train=40,valid=4,test=4 --shard-size 10

        rmod build recipes/rmod.yaml --library lib.csv --out OUT --pairs train=300,valid=30,test=30 --workers 2
    """
    from rmod_pipeline.build.executors.local import local_executor
    from rmod_pipeline.build.plan import parse_counts
    from rmod_pipeline.build.run import run_build

    counts = parse_counts(pairs)
    executor = local_executor(_at_least("--workers", workers, 1))
    job = _job(
        recipe,
        library,
        out,
        counts=counts,
        seed=seed,
        shard_size=_at_least("--shard-size", shard_size, 1),
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
    from rmod_pipeline.library.manifest import load_library
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
    return Job(recipe=loaded, library=load_library(library), out=out.resolve(), cache=pitch_folder(), **options)


def _at_least(option: str, value: float, least: int) -> Any:
    from rmod_pipeline.errors import UsageError

    if value < least:
        raise UsageError(option, f"{value} is too small", f"give {least} or more")
    return value


def _bar() -> Any:
    """Return the build's progress as a bar with rate and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from rmod_pipeline.build.run import Progress

    class BuildBar(Progress):
        def __init__(self) -> None:
            console = Console(stderr=True)
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
                disable=not console.is_terminal,
            )

        def __enter__(self) -> BuildBar:
            self._bar.start()
            return self

        def __exit__(self, *_: object) -> None:
            self._bar.stop()

        def start(self, done: int, total: int) -> None:
            if done:
                typer.echo(f"{done} of {total} pairs are there already.", err=True)
            self._task = self._bar.add_task("pairs", total=total, completed=done, rate="")

        def advance(self, pairs: int) -> None:
            task = self._bar.tasks[0]
            speed = f"{task.speed:.1f} pairs/s" if task.speed else ""
            self._bar.update(self._task, advance=pairs, rate=speed)

        def fail(self, failure: Failure) -> None:
            self._bar.console.print(f"[red]{failure.shard} failed[/]", highlight=False)
            self._bar.console.print(failure.cause, highlight=False, markup=False)

    return BuildBar()


def _tell(summary: Summary, out: Path) -> None:
    from rmod_pipeline.build.space import gigabytes

    counted = ", ".join(f"{count} {split}" for split, count in summary.pairs.items()) or "no pairs"
    typer.echo(f"{out}: {counted}; {gigabytes(summary.bytes)}.")
    if summary.made:
        rate = summary.made / summary.seconds
        typer.echo(f"Made {summary.made} pairs in {summary.seconds:.1f} s, {rate:.1f} pairs/s.")
    else:
        typer.echo("Nothing to do: everything was there already.")
    if summary.rejects:
        listed = ", ".join(f"{reason} {count}" for reason, count in summary.rejects.items())
        typer.echo(f"Rejected and drawn again: {listed}; {summary.absent} keys stay absent.")
    if summary.failures:
        names = ", ".join(failure.shard for failure in summary.failures)
        typer.secho(f"{len(summary.failures)} shard(s) failed: {names}.", fg=typer.colors.RED, err=True)
        typer.echo("Mend the cause above and give the same command again: only these are made.", err=True)
        return
    typer.echo(f"Next: rmod verify {out} --rerender 4; rmod preview {out}")
