"""`rmod build`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmod_pipeline.cli.executor_options import (
    WHERE,
    AddressOption,
    ExecutorOption,
    ShardMinutesOption,
    WorkersOption,
    at_least,
    open_executor,
)
from rmod_pipeline.cli.kit import open_library
from rmod_pipeline.cli.progress import build_bar, print_failures, print_precision, print_summary
from rmod_pipeline.cli.tokens import (
    TOKENS,
    BatchOption,
    CompileOption,
    DeviceOption,
    EncodersOption,
    PrecisionOption,
    choose,
    encoding,
)
from rmod_pipeline.storage import parse_location

if TYPE_CHECKING:
    from rmod_pipeline.pipeline.jobs.build import BuildJob
    from rmod_pipeline.pipeline.run import BuildSummary
    from rmod_pipeline.shards.layout import ShardPlan
    from rmod_pipeline.storage import Location


WHAT, HOW = "What is made", "How it is made"
NONE = "none"


def build(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name such as quick or rmod, or a YAML file.")],
    library: Annotated[
        str,
        typer.Option(
            metavar="NAME.csv",
            help="A manifest that `rmod library scan` wrote, here or on a store, or `builtin`.",
            rich_help_panel=WHAT,
        ),
    ],
    out: Annotated[
        Any,
        typer.Option(
            metavar="DIR",
            parser=parse_location,
            help="The folder to write, or s3://bucket/data; or to go on with if it is this build's.",
            rich_help_panel=WHAT,
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
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    shards: Annotated[
        str | None,
        typer.Option(
            metavar="FROM:TO",
            help="Make these alone, counted over all splits from 0: for many machines without Ray.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Make only shards whose last try failed.", rich_help_panel=WHERE),
    ] = False,
    shard_minutes: ShardMinutesOption = None,
    cache_gb: Annotated[
        float,
        typer.Option(metavar="GB", help="Disk that pitch-shifted loops may take in the cache.", rich_help_panel=HOW),
    ] = 4.0,
    codec: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH",
            help="Make tokens too: mini, dac-44khz, or the path or address of a dac checkpoint.",
            rich_help_panel=TOKENS,
        ),
    ] = "none",
    audio: Annotated[
        bool,
        typer.Option(
            "--audio/--no-audio", help="Keep the sound; without, tokens alone are a hundredth.", rich_help_panel=TOKENS
        ),
    ] = True,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    batch: BatchOption = None,
    compiled: CompileOption = False,
    encoders: EncodersOption = None,
    space_check: Annotated[
        bool, typer.Option(help="Look first whether there is room on the disk.", rich_help_panel=HOW)
    ] = True,
) -> None:
    """Make a data set: pairs of a mixture and its dry one-shots, in shards.

    A build that was stopped, by Ctrl-C or a power cut, goes on where it was when the same command is given again. The
    same recipe, library and seed give the same bytes, with any number of workers. Two machines that share the folder
    share the work, and `--executor ray` spreads it over a cluster. Exits with 1 if a shard failed: the others are
    finished, and the same command makes what is missing.

    Examples:

        rmod build quick --library builtin --out demo --pairs train=40,valid=4,test=4 --shard-size 10

        rmod build recipes/rmod.yaml --library lib.csv --out OUT --pairs train=300,valid=30,test=30 --workers 2

        rmod build rmod --library lib.csv --out OUT --pairs train=100000,valid=1000 --codec dac-44khz --no-audio

        rmod build rmod --library s3://bucket/lib.csv --out s3://bucket/data --pairs train=100000 --workers 16

        rmod build rmod --library lib.csv --out OUT --pairs train=100000 --shards 100:200 --workers 16
    """
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.pipeline.plan import check_shard_size, parse_counts
    from rmod_pipeline.pipeline.run import run_build

    counts = parse_counts(pairs)
    where = open_executor(executor, address, workers, encoders, shard_minutes)
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
        audio=audio,
        cache_bytes=round(at_least("--cache-gb", cache_gb, 0) * 2**30),
    )
    if codec != NONE:
        choice = choose(codec, device=device, precision=precision, batch=batch, compiled=compiled)
        job = replace(job, encoding=encoding(choice, job.recipe, job.digest(), where.is_remote))
    elif not audio:
        raise UsageError("--no-audio", "nothing would be kept", "name a codec too: --codec mini")
    only = _chosen(job, shards, retry_failed)
    if retry_failed and not only:
        typer.echo(f"Nothing to try again: no shard's last try failed. What there is: rmod status {out}")
        return
    with build_bar() as bar:
        summary = run_build(job, where, bar, space_check, only)
    _tell(summary, out)
    if print_failures(summary):
        raise typer.Exit(1)
    if job.encoding and not where.is_remote:
        print_precision(job.encoding, out)
    if only is None:
        typer.echo(f"Next: rmod verify {out} --rerender 4; rmod preview {out}")
    else:
        typer.echo(f"That was {len(only)} of the shards. Next: rmod status {out}")


def _chosen(job: BuildJob, shards: str | None, retry_failed: bool) -> list[ShardPlan] | None:
    """Return the shards that are asked for; None for all. Raises UsageError."""
    from rmod_pipeline.inspection.status import failed_shards
    from rmod_pipeline.pipeline.event_log import read_events
    from rmod_pipeline.pipeline.plan import choose_shards
    from rmod_pipeline.shards.layout import plan_shards

    if shards is None and not retry_failed:
        return None
    plans = plan_shards(job.counts, job.shard_size)
    chosen = plans if shards is None else choose_shards(plans, shards)
    if retry_failed:
        failed = {each.shard for each in failed_shards(read_events(job.layout.log))}
        chosen = [plan for plan in chosen if plan.name in failed]
    return chosen


def _job(recipe: str, library: str, out: Location, **options: Any) -> BuildJob:
    from rmod_pipeline.effects import check_engine
    from rmod_pipeline.errors import UsageError, nearest
    from rmod_pipeline.pipeline.jobs.build import BuildJob
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
    # Unless it is told, each machine keeps things in a home of its own.
    cache = pitch_folder() if os.environ.get("RMOD_CACHE") else None
    return BuildJob(recipe=loaded, library=open_library(library), out=out.resolve(), cache=cache, **options)


def _tell(summary: BuildSummary, out: Location) -> None:
    print_summary(summary, out, "Made")
    if summary.rejects:
        listed = ", ".join(f"{reason} {count}" for reason, count in summary.rejects.items())
        typer.echo(f"Rejected and drawn again: {listed}.")
    if summary.absent:
        typer.echo(f"{summary.absent} keys stay absent: all their attempts were rejected, see the index.")
