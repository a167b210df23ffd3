"""`rmod import-pairs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmod_pipeline.cli.shared.options import (
    WHAT,
    AddressOption,
    ExecutorOption,
    ShardMinutesOption,
    WorkersOption,
)
from rmod_pipeline.cli.shared.output import print_failures
from rmod_pipeline.errors import quote
from rmod_pipeline.storage import parse_local_path, parse_location

if TYPE_CHECKING:
    from rmod_pipeline.api import ImportResult


def import_pairs(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", parser=parse_local_path, help="The folder of mixtures and one-shots.")
    ],
    out: Annotated[
        Any,
        typer.Option(
            metavar="OUT",
            parser=parse_location,
            help="The data set to write: a folder, or s3://bucket/data. An import that stopped is resumed in it.",
            rich_help_panel=WHAT,
        ),
    ],
    split: Annotated[
        str,
        typer.Option(metavar="NAME", help="The split of pairs that are in no folder of one.", rich_help_panel=WHAT),
    ] = "test",
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...",
            help="What every pair must have. Default: the kinds beside at least half of the mixtures.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    licence: Annotated[str, typer.Option(metavar="SPDX", help="The licence of all files.", rich_help_panel=WHAT)] = "",
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            parser=parse_local_path,
            help="A CSV file with the columns key and any of licence, kit, group, source and split.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    sample_rate: Annotated[
        int, typer.Option(metavar="HZ", help="Files of another rate are resampled.", rich_help_panel=WHAT)
    ] = 44_100,
    seconds: Annotated[
        float,
        typer.Option(metavar="S", help="Longer mixtures are cut, shorter ones are padded.", rich_help_panel=WHAT),
    ] = 4.0,
    audio_format: Annotated[
        str, typer.Option("--format", metavar="wav|flac", help="flac is the same sound, smaller.", rich_help_panel=WHAT)
    ] = "wav",
    shard_size: Annotated[int, typer.Option(metavar="PAIRS", help="Pairs per tar.", rich_help_panel=WHAT)] = 100,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    shard_minutes: ShardMinutesOption = None,
) -> None:
    """Import anyone's folder of pairs as a data set that every command reads.

    The sound of a file stands in its name, `KEY.mix.wav KEY.kick.wav` or `KEY_mix.wav KEY_kick.wav`, or in the name of
    its folder, `mix/KEY.wav kick/KEY.wav` or `KEY/mix.wav KEY/kick.wav`. Folders train, valid and test are splits.
    WAV, FLAC, AIFF and all other formats of `rmod library scan` are read. Known hits may stand beside a pair:
    `KEY.mid`, or `KEY.csv` with the columns kind and seconds.

    Pairs are stored as 16-bit stereo. A pair with an unreadable, silent or missing file is left out, and the others
    are imported: OUT/pairs.csv says what became of each. Exits with 1 if a shard failed or no pair was imported.

    Examples:

        rmod import-pairs pairs/ --out OUT --licence CC-BY-4.0

        rmod import-pairs pairs/ --out OUT --kinds kick,snare --table pairs/about.csv --workers 4
    """
    from rmod_pipeline import api

    compute = api.ComputeConfig(executor=executor, address=address, workers=workers, shard_minutes=shard_minutes)
    try:
        result = api.import_pairs(
            folder,
            out=out,
            split=split,
            kinds=None if kinds is None else [kind.strip() for kind in kinds.split(",") if kind.strip()],
            licence=licence,
            table=table,
            sample_rate=sample_rate,
            seconds=seconds,
            audio_format=audio_format,
            shard_size=shard_size,
            compute=compute,
        )
    except api.IncompleteBuildError as error:
        print_failures(error.result.summary, out)
        raise typer.Exit(1) from error
    _print_result(result)
    if not sum(result.summary.pairs.values()):
        raise typer.Exit(1)


def _print_result(result: ImportResult) -> None:
    from rmod_pipeline.pipeline.jobs.disk_space import format_bytes

    out, summary = result.out, result.summary
    counted = ", ".join(f"{count} {split}" for split, count in summary.pairs.items())
    typer.echo(f"{out}: {counted}; {format_bytes(summary.bytes)}.")
    if summary.made:
        typer.echo(f"Read {summary.made} pairs in {summary.seconds:.1f} s.")
    else:
        typer.echo("Nothing to do: everything exists already.")
    for title, counts in (("Left out", result.left_out), ("Changed or unusual", result.notices)):
        if counts:
            typer.echo(f"{title}: {', '.join(f'{words} {count}' for words, count in counts.items())}.")
    typer.echo(f"{result.pair_list} says what became of each pair and each file.")
    typer.echo(f"Next: rmod verify {quote(out)}; rmod preview {quote(out)}; rmod encode {quote(out)}")
