"""`rmod encode` and `rmod decode`; and the options about codecs that `rmod build` shares with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.executor_options import (
    AddressOption,
    ExecutorOption,
    ShardMinutesOption,
    WorkersOption,
    open_executor,
)
from rmod_pipeline.cli.options import Folder, Out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rmod_pipeline.codec import CodecChoice
    from rmod_pipeline.pipeline.encoding import TokenSettings
    from rmod_pipeline.recipe import Recipe

TOKENS = "Tokens"

DeviceOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="cpu, cuda or cuda:1; auto takes a GPU if it can.", rich_help_panel=TOKENS),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="fp32, tf32 (GPU) or bf16: the latter are faster, and some tokens differ.",
        rich_help_panel=TOKENS,
    ),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Sounds encoded at once; part of what the tokens are. Default: 1 on a CPU, 16 on a GPU.",
        rich_help_panel=TOKENS,
    ),
]
CompileOption = Annotated[
    bool, typer.Option("--compile", help="Let torch compile the encoder first: a minute.", rich_help_panel=TOKENS)
]
EncodersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes that encode: GPUs to use, or cores. Default: all GPUs; on a CPU one for four workers.",
        rich_help_panel=TOKENS,
    ),
]


def encode(
    out: Out,
    codec: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="mini, dac-44khz, or the path or address of a dac checkpoint.")
    ] = "mini",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    batch: BatchOption = None,
    compiled: CompileOption = False,
    workers: WorkersOption = None,
    encoders: EncodersOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    shard_minutes: ShardMinutesOption = None,
) -> None:
    """Turn finished sound into tokens: OUT/tokens/CODEC/*.tar, beside what is there.

    The same bytes as `rmod build --codec` makes while it renders. Stopped, it goes on where it was when the same
    command is given again. Any number of codecs can stand side by side, each in a folder named after its weights.

    Examples:

        rmod encode OUT --codec mini

        rmod codec fetch dac-44khz && rmod encode OUT --codec dac-44khz --device cuda --batch 32
    """
    from rmod_pipeline.cli.progress import build_bar, print_failures, print_precision, print_summary
    from rmod_pipeline.pipeline.jobs.encode import EncodeJob
    from rmod_pipeline.pipeline.run import run_encode
    from rmod_pipeline.recipe import Recipe
    from rmod_pipeline.shards.fingerprint import digest, read_fingerprint
    from rmod_pipeline.shards.layout import Layout

    where = open_executor(executor, address, workers, encoders, shard_minutes)
    fingerprint = read_fingerprint(Layout(out).build)
    recipe = Recipe.model_validate(fingerprint["recipe"])
    choice = choose(codec, device=device, precision=precision, batch=batch, compiled=compiled)
    job = EncodeJob(out=out.resolve(), encoding=encoding(choice, recipe, digest(fingerprint), where.is_remote))
    with build_bar() as bar:
        summary = run_encode(job, where, bar)
    folder = out / job.encoding.family.folder
    print_summary(summary, folder, "Encoded")
    if print_failures(summary):
        raise typer.Exit(1)
    if not where.is_remote:
        print_precision(job.encoding, out)
    typer.echo(f"Next: rmod verify {out}; rmod preview {out}; rmod decode {out} KEY --out DIR")


def decode(
    out: Out,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A pair, such as train-00000012.")],
    folder: Folder,
    codec: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="The tokens' codec, or its weights; default: the only one in OUT."),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Turn a pair's tokens back into sound: WAV files of the mixture and of each one-shot, cut to its true length.

    Examples:

        rmod decode OUT train-00000012 --out listen

        rmod decode OUT train-00000012 --out listen --codec ~/weights.pth
    """
    from rmod_pipeline.audio import to_pcm
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.reading.decoding import decode_pair, decoder_for
    from rmod_pipeline.shards.members import encode_audio
    from rmod_pipeline.storage.publish import publish_bytes

    opened, family = decoder_for(out, codec, device)
    for sound, audio in decode_pair(out, key, family, opened).items():
        path = folder / f"{key}.{sound}.wav"
        data = encode_audio(to_pcm(audio[None]), opened.identity.sample_rate, "wav")
        try:
            publish_bytes(data, path, folder)
        except OSError as error:
            raise UsageError(path, f"cannot be written: {error.strerror}", "choose another --out") from error
        typer.echo(path)


def choose(codec: str, **options: Any) -> CodecChoice:
    """Return which codec to open and how."""
    from rmod_pipeline.codec import CodecChoice

    return CodecChoice(name=str(Path(codec).resolve()) if Path(codec).is_file() else codec, **options)


def encoding(choice: CodecChoice, recipe: Recipe, build: str, elsewhere: bool = False) -> TokenSettings:
    """Return the tokens that a codec makes of a recipe's pairs, here or on other machines.

    Raises CodecError, UsageError and BuildError.
    """
    from rmod_pipeline.pipeline.encoding import TokenSettings
    from rmod_pipeline.shards.token_family import TokenFamily

    said: Mapping[str, Any] = choice.fingerprint(elsewhere)
    settled = replace(choice, batch=said["batch"], sha256=said["sha256"])
    return TokenSettings(choice=settled, family=TokenFamily.of(recipe, said, build))
