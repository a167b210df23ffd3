"""`rmod verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.options import Out

MOST_FINDINGS = 100
MOST_SHOWN = 20

if TYPE_CHECKING:
    from rmod_pipeline.inspection.verify import VerifyReport
    from rmod_pipeline.storage import Location


def verify(
    out: Out,
    rerender: Annotated[
        int, typer.Option(min=0, metavar="K", help="How many pairs to render again and compare bit by bit.")
    ] = 0,
    compare: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Pairs of each split whose one-shots are compared across splits."),
    ] = 200,
    library: Annotated[
        str | None,
        typer.Option(
            metavar="NAME.csv", help="The manifest for --rerender; default: where it lay when the data set was built."
        ),
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
    from rmod_pipeline.inspection.verify import expectations, verify_shards
    from rmod_pipeline.inspection.verify_tokens import verify_tokens

    with _bar("shards") as advance:
        report = verify_shards(out, advance)
    verify_tokens(out, expectations(out), report)
    _tell(out, report)
    leaks = _compare(out, report, compare) if report.keys else 0
    differing = _rerender(out, report, rerender, library) if rerender and report.keys else 0
    if report.findings or leaks or differing:
        raise typer.Exit(1)


def _tell(out: Location, report: VerifyReport) -> None:
    from rmod_pipeline.storage import is_address

    counted = f"{report.shards} shards, {report.pairs} pairs, {report.rejects} rejects, {report.sources} sounds"
    counted += "".join(f", {pairs} pairs as tokens of {name}" for name, pairs in report.tokens.items())
    if not report.findings:
        typer.echo(f"{out}: {counted}: everything is as its receipts say, no sound on two sides of a split.")
        return
    typer.secho(f"{out}: {counted}: {len(report.findings)} finding(s)", fg=typer.colors.RED)
    for finding in report.findings[:MOST_FINDINGS]:
        typer.echo(f"  {finding}")
    if len(report.findings) > MOST_FINDINGS:
        typer.echo(f"  and {len(report.findings) - MOST_FINDINGS} more")
    if report.damaged:
        typer.echo("To have the damaged shards made anew, remove their receipts and give the build command again:")
        shown = " ".join(str(out / path) for path in report.damaged[:MOST_SHOWN])
        more = f"   # and {len(report.damaged) - MOST_SHOWN} more" if len(report.damaged) > MOST_SHOWN else ""
        typer.echo(f"  {shown}{more}" if is_address(out) else f"  rm {shown}{more}")


def _compare(out: Location, report: VerifyReport, count: int) -> int:
    """Return how many targets of one split were heard in another."""
    from rmod_pipeline.inspection.leakage import near_duplicates
    from rmod_pipeline.inspection.proof import spread_evenly
    from rmod_pipeline.shards.fingerprint import read_fingerprint
    from rmod_pipeline.shards.layout import Layout, parse_key

    by_split: dict[str, list[str]] = {}
    for key in report.keys:
        by_split.setdefault(parse_key(key)[0], []).append(key)
    if len(by_split) < 2 or not count or not read_fingerprint(Layout(out).build)["audio"]:
        return 0
    keys = [key for of_split in by_split.values() for key in spread_evenly(of_split, count)]
    leaks = list(near_duplicates(out, keys))
    for leak in leaks:
        typer.secho(f"  {leak}", fg=typer.colors.RED)
    typer.echo(f"{len(keys)} of {len(report.keys)} pairs' one-shots compared by sound: {len(leaks)} in two splits.")
    return len(leaks)


def _rerender(out: Location, report: VerifyReport, count: int, manifest: str | None) -> int:
    """Return how many pairs came out otherwise, by more than is allowed."""
    from rmod_pipeline.inspection.proof import Proof, spread_evenly
    from rmod_pipeline.inspection.rerender import BOUND_DB

    proof, keys, differing = Proof(out, manifest), spread_evenly(report.keys, count), 0
    with _bar("pairs again") as advance:
        for done, key in enumerate(keys):
            advance(done, len(keys))
            findings = proof.check(key)
            differing += bool(findings)
            for found in findings:
                typer.secho(f"  {found}", fg=typer.colors.RED)
    promised = "bit by bit" if proof.exact else f"to within {BOUND_DB:g} dB (made with other versions, or elsewhere)"
    typer.echo(f"{len(keys)} pairs rendered again: {len(keys) - differing} the same {promised}, {differing} not.")
    if proof.same_library:
        typer.echo("Their specs were composed again too, from recipe, library and seed.")
    else:
        typer.echo("The library has changed since the build: the specs could not be composed again.")
    return differing


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that draws how many are done, of how many, while somebody looks on."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
