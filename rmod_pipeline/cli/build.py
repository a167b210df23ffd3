"""`rmod build`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rmod_pipeline.cli.shared.options import (
    HOW,
    NONE,
    TOKENS,
    WHAT,
    WHERE,
    AddressOption,
    BatchOption,
    ChannelsLastFlag,
    CompileFlag,
    DeviceOption,
    EncodersOption,
    ExecutorOption,
    GroovesOption,
    LibraryOption,
    PrecisionOption,
    ShardMinutesOption,
    WorkersOption,
)
from rmod_pipeline.cli.shared.output import print_failures, print_precision, print_summary
from rmod_pipeline.errors import quote
from rmod_pipeline.storage import parse_location


def build(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name such as quick or rmod, or a YAML file.")],
    library: LibraryOption,
    out: Annotated[
        Any,
        typer.Option(
            metavar="DIR",
            parser=parse_location,
            help="The folder to write, or s3://bucket/data. A build that stopped is resumed in it.",
            rich_help_panel=WHAT,
        ),
    ],
    grooves: GroovesOption = None,
    pairs: Annotated[
        str, typer.Option(metavar="SPLIT=N,...", help="Number of pairs per split.", rich_help_panel=WHAT)
    ] = "train=100,valid=10,test=10",
    seed: Annotated[
        int,
        typer.Option(metavar="N", help="Another number gives another data set of the same kind.", rich_help_panel=WHAT),
    ] = 0,
    shard_size: Annotated[
        int, typer.Option(metavar="PAIRS", help="Pairs per tar; the pairs do not depend on it.", rich_help_panel=WHAT)
    ] = 100,
    audio_format: Annotated[
        str, typer.Option("--format", metavar="wav|flac", help="flac is the same sound, smaller.", rich_help_panel=WHAT)
    ] = "wav",
    stems: Annotated[
        bool, typer.Option("--stems", help="Store every track too, as it joins the mixture.", rich_help_panel=WHAT)
    ] = False,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What applies the effects: fused, pedalboard (the same sound, slower) or console.",
            rich_help_panel=WHAT,
        ),
    ] = "fused",
    licences: Annotated[
        str,
        typer.Option(
            metavar="CLASS",
            help="Use only sounds whose licences ask no more: permissive, attribution, share-alike or any.",
            rich_help_panel=WHAT,
        ),
    ] = "any",
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    shards: Annotated[
        str | None,
        typer.Option(
            metavar="FROM:TO",
            help="Build only these shards, counted over all splits from 0: for many machines without Ray.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Build only shards whose last try failed.", rich_help_panel=WHERE),
    ] = False,
    shard_minutes: ShardMinutesOption = None,
    cache_gb: Annotated[
        float,
        typer.Option(
            metavar="GB",
            help="Disk space for decoded one-shots and pitch-shifted loops in the cache.",
            rich_help_panel=HOW,
        ),
    ] = 4.0,
    codec: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help="Make tokens too: mini, dac-44khz, or the path or address of a dac checkpoint.",
            rich_help_panel=TOKENS,
        ),
    ] = NONE,
    audio: Annotated[
        bool,
        typer.Option(
            "--audio/--no-audio",
            help="Keep the audio. Tokens alone take a hundredth of the space.",
            rich_help_panel=TOKENS,
        ),
    ] = True,
    features: Annotated[
        bool,
        typer.Option("--features", help="Store log-mel spectrograms of the sounds too.", rich_help_panel=WHAT),
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    batch: BatchOption = None,
    compiled: CompileFlag = None,
    channels_last: ChannelsLastFlag = None,
    encoders: EncodersOption = None,
    space_check: Annotated[bool, typer.Option(help="Check first that the disk has room.", rich_help_panel=HOW)] = True,
) -> None:
    """Build a data set: pairs of a mixture and its dry one-shots, in shards.

    A build that was stopped, by Ctrl-C or a power cut, resumes when the same command is given again. The same recipe,
    library and seed give the same bytes, with any number of workers. Two machines that share the folder share the
    work, and `--executor ray` spreads it over a cluster. Exits with 1 if a shard failed: the others are finished, and
    the same command builds what is missing.

    Examples:

        rmod build quick --library builtin --out demo --pairs train=40,valid=4,test=4 --shard-size 10

        rmod build recipes/rmod.yaml --library lib.csv --out OUT --pairs train=300,valid=30,test=30 --workers 2

        rmod build rmod --library lib.csv --out OUT --pairs train=100000,valid=1000 --codec dac-44khz --no-audio

        rmod build rmod_grooves --library lib.csv --grooves grooves.csv --out OUT --pairs test=300

        rmod build rmod --library s3://bucket/lib.csv --out s3://bucket/data --pairs train=100000 --workers 16

        rmod build rmod --library lib.csv --out OUT --pairs train=100000 --shards 100:200 --workers 16
    """
    from rmod_pipeline import api

    try:
        result = api.build(
            recipe,
            library=library,
            out=out,
            grooves=grooves,
            pairs=pairs,
            seed=seed,
            shard_size=shard_size,
            audio_format=audio_format,
            stems=stems,
            audio=audio,
            engine=engine,
            licences=licences,
            codec=None
            if codec == NONE
            else api.CodecChoice(
                name=codec,
                device=device,
                precision=precision,
                batch=batch,
                compiled=compiled,
                channels_last=channels_last,
            ),
            features=features,
            compute=api.ComputeConfig(
                executor=executor, address=address, workers=workers, encoders=encoders, shard_minutes=shard_minutes
            ),
            shards=shards,
            retry_failed=retry_failed,
            check_space=space_check,
            cache_gb=cache_gb,
        )
    except api.IncompleteBuildError as error:
        print_summary(error.result.summary, out, "Built")
        print_failures(error.result.summary, out)
        raise typer.Exit(1) from error
    if retry_failed and not result.shards:
        typer.echo(f"Nothing to try again: no shard's last try failed. See: rmod status {quote(out)}")
        return
    print_summary(result.summary, out, "Built")
    print_precision(result)
    if result.shards is None:
        typer.echo(f"Next: rmod verify {quote(out)} --rerender 4; rmod preview {quote(out)}")
    else:
        typer.echo(f"That was {result.shards} of the shards. Next: rmod status {quote(out)}")
