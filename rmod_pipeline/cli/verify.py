"""`rmod verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rmod_pipeline.shards.verify import Report


def verify(
    out: Annotated[Path, typer.Argument(help="The folder that `rmod build --out` wrote.")],
    rerender: Annotated[int, typer.Option(min=0, help="How many pairs to render again and compare bit by bit.")] = 0,
    compare: Annotated[
        int,
        typer.Option(min=0, help="Pairs of each split whose one-shots are compared across splits."),
    ] = 200,
    library: Annotated[
        str | None, typer.Option(help="The manifest for --rerender; default: where it lay when the data set was built.")
    ] = None,
) -> None:
    """Prove that a data set is what it says: checksums, tars, index, and no sound on two sides of a split.

    The one-shots themselves are compared across the splits too, up to 200 pairs of each (--compare): two files with
    different names may hold one sound.

    With --rerender K, K pairs spread over the data set are rendered again from the JSON beside them. On the same
    versions and processor family they must be the same bytes; elsewhere they may differ by a bound that is printed.

    Exits with 1 if anything is found.

    Examples:

        rmod verify OUT

        rmod verify OUT --rerender 20 --library lib.csv
    """
    from rich.progress import Progress

    from rmod_pipeline.shards.verify import verify_shards

    with Progress(transient=True) as bar:
        task = bar.add_task("shards", total=None)
        report = verify_shards(out, lambda done, total: bar.update(task, completed=done, total=total))
    _tell(out, report)
    leaks = _compare(out, report, compare) if report.keys else 0
    differing = _rerender(out, report, rerender, library) if rerender and report.keys else 0
    if report.findings or leaks or differing:
        raise typer.Exit(1)


def _tell(out: Path, report: Report) -> None:
    counted = f"{report.shards} shards, {report.pairs} pairs, {report.rejects} rejects, {report.sources} sounds"
    if not report.findings:
        typer.echo(f"{out}: {counted}: everything is as its receipts say, no sound on two sides of a split.")
        return
    typer.secho(f"{out}: {counted}: {len(report.findings)} finding(s)", fg=typer.colors.RED)
    for finding in report.findings:
        typer.echo(f"  {finding}")
    typer.echo("A damaged shard is made anew when its receipt is removed and the build command given again.")


def _compare(out: Path, report: Report, count: int) -> int:
    """Return how many targets of one split were heard in another."""
    from rmod_pipeline.build.rerender import evenly
    from rmod_pipeline.shards.layout import parse_key
    from rmod_pipeline.shards.leakage import near_duplicates

    by_split: dict[str, list[str]] = {}
    for key in report.keys:
        by_split.setdefault(parse_key(key)[0], []).append(key)
    if len(by_split) < 2 or not count:
        return 0
    keys = [key for of_split in by_split.values() for key in evenly(of_split, count)]
    leaks = list(near_duplicates(out, keys))
    for leak in leaks:
        typer.secho(f"  {leak}", fg=typer.colors.RED)
    typer.echo(f"{len(keys)} of {len(report.keys)} pairs' one-shots compared by sound: {len(leaks)} in two splits.")
    return len(leaks)


def _rerender(out: Path, report: Report, count: int, manifest: str | None) -> int:
    """Return how many pairs differ by more than is allowed."""
    from rich.progress import track

    from rmod_pipeline.build.rerender import evenly, same_machine, sounds_for
    from rmod_pipeline.shards.read import read_pair
    from rmod_pipeline.shards.rerender import BOUND_DB, rerender

    sounds, exact = sounds_for(out, manifest), same_machine(out)
    keys = evenly(report.keys, count)
    differing = 0
    for key in track(keys, "pairs again", transient=True):
        differences = rerender(read_pair(out, key), sounds.store.library, sounds)
        bad = [found for found in differences if exact or not found.within_bound]
        differing += bool(bad)
        for found in bad:
            level = "cannot be compared" if found.level_db is None else f"differs at {found.level_db:.1f} dB"
            typer.secho(f"  {found.name}: {level}", fg=typer.colors.RED)
    promised = "bit by bit" if exact else f"to within {BOUND_DB:g} dB (other versions or processor than the build's)"
    typer.echo(f"{len(keys)} pairs rendered again: {len(keys) - differing} the same {promised}, {differing} not.")
    return differing
