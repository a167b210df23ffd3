"""`rmod encode`."""

from __future__ import annotations

import typer

from rmod_pipeline.cli.shared.options import (
    AddressOption,
    BatchOption,
    ChannelsLastFlag,
    CodecOption,
    CompileFlag,
    DataArgument,
    DeviceOption,
    EncodersOption,
    ExecutorOption,
    PrecisionOption,
    ShardMinutesOption,
    WorkersOption,
)
from rmod_pipeline.cli.shared.output import print_failures, print_precision, print_summary
from rmod_pipeline.errors import quote


def encode(
    out: DataArgument,
    codec: CodecOption = "mini",
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    batch: BatchOption = None,
    compiled: CompileFlag = None,
    channels_last: ChannelsLastFlag = None,
    workers: WorkersOption = None,
    encoders: EncodersOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    shard_minutes: ShardMinutesOption = None,
) -> None:
    """Turn finished audio into tokens: OUT/tokens/CODEC/*.tar.

    The bytes are those that `rmod build --codec` makes while it renders. An encoding that was stopped resumes when the
    same command is given again. Any number of codecs can stand side by side, each in a folder named after its weights.

    Examples:

        rmod encode OUT --codec mini

        rmod codec fetch dac-44khz && rmod encode OUT --codec dac-44khz --device cuda --batch 32
    """
    from rmod_pipeline import api

    choice = api.CodecChoice(
        name=codec, device=device, precision=precision, batch=batch, compiled=compiled, channels_last=channels_last
    )
    compute = api.ComputeConfig(
        executor=executor, address=address, workers=workers, encoders=encoders, shard_minutes=shard_minutes
    )
    try:
        result = api.encode(out, codec=choice, compute=compute)
    except api.IncompleteBuildError as error:
        print_summary(error.result.summary, error.result.folder, "Encoded")
        print_failures(error.result.summary, out)
        raise typer.Exit(1) from error
    print_summary(result.summary, result.folder, "Encoded")
    print_precision(result)
    decode = f"rmod decode {quote(out)} KEY --out DIR"
    typer.echo(f"Next: rmod verify {quote(out)}; rmod preview {quote(out)}; {decode}")
