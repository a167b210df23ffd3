"""`rmod codec`: the codecs that turn audio into tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.cli.shared.options import JsonFlag, PlainDeviceOption, ThreadsOption
from rmod_pipeline.errors import quote
from rmod_pipeline.storage import parse_local_path

app = typer.Typer(no_args_is_help=True, cls=Group, rich_markup_mode="markdown")


@app.command("list", cls=Command)
def list_codecs() -> None:
    """List the codecs that rmod knows by name, and where their weights are.

    Any other checkpoint of descript-audio-codec is opened by its path.

    Example:

        rmod codec list
    """
    from rmod_pipeline import api

    for codec in api.list_codecs():
        where = codec.path if codec.path.is_file() else f"not downloaded: rmod codec fetch {quote(codec.name)}"
        typer.echo(f"{codec.name}: {codec.about}\n    {where}")


@app.command(cls=Command)
def fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="A codec that rmod knows: dac-44khz.")]) -> None:
    """Download a codec's weights into rmod's cache, and check them.

    About 300 MB. A download that broke off resumes when the same command is given again.

    Example:

        rmod codec fetch dac-44khz
    """
    from rmod_pipeline import api

    typer.echo(api.fetch_codec(name))


@app.command(cls=Command)
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="A codec that rmod knows, or the path of a dac checkpoint.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Open a codec and print what it is: shape of its tokens, parameters, checksum.

    Examples:

        rmod codec show mini

        rmod codec show OUT/codec.pth
    """
    import json

    from rmod_pipeline import api

    codec = api.open_codec(name, device="cpu")
    identity = codec.identity
    if as_json:
        typer.echo(json.dumps(identity.to_dict(), indent=1))
        return
    rate = identity.sample_rate / identity.hop
    bits = identity.codebooks * (identity.codebook_size - 1).bit_length()
    typer.echo(f"{identity.name}, version {identity.version or 'unknown'}, sha256 {identity.sha256}")
    typer.echo(f"{identity.sample_rate} Hz, hop {identity.hop}: {rate:.1f} frames per second")
    typer.echo(f"{identity.codebooks} codebooks of {identity.codebook_size}: {rate * bits / 1000:.1f} kbit/s")
    typer.echo(f"{codec.count_parameters() / 1e6:.2f} M parameters")


@app.command(cls=Command)
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A codec recipe: a file, or a name that comes with rmod: mini.")
    ],
    library: Annotated[
        list[str], typer.Option(metavar="NAME.csv", help="A manifest or folder, or `builtin`; repeatable.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=parse_local_path, help="For checkpoints and rendered sounds.")
    ],
    minutes: Annotated[
        float | None, typer.Option(metavar="N", min=0.01, help="Another time budget than the recipe's.")
    ] = None,
    threads: ThreadsOption = 1,
    device: PlainDeviceOption = "cpu",
    begin_from: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Train only the decoder of this codec further; its tokens stay the same.",
        ),
    ] = None,
) -> None:
    """Fit a small codec to the sounds of this pipeline.

    The command renders the mixtures that the recipe asks for, leaves out sounds whose licence the recipe does not
    allow, and trains until its budget is spent. A training that was stopped resumes when the same command is given
    again. DIR/codec.pth works as `--codec DIR/codec.pth` from the first few minutes on.

    Examples:

        rmod codec train mini --library builtin --out OUT

        rmod codec train recipes/codec/mini.yaml --library builtin --library lib.csv --out OUT --minutes 240

        rmod codec train mini_decoder --begin-from mini --library builtin --library lib.csv --out OUT
    """
    from rmod_pipeline import api

    path = api.train_codec(
        recipe,
        library=library,
        out=out,
        minutes=minutes,
        threads=threads,
        device=device,
        begin_from=begin_from,
        on_report=_print_report,
    )
    typer.echo(f"{path}: done. Try it: rmod codec show {quote(path)}")


def _print_report(report: dict[str, Any]) -> None:
    held_out = report["held_out"]
    typer.echo(
        f"step {report['step']}, {report['minutes']:.1f} min: "
        f"mixtures mel {held_out['mix_mel']:.3f}, SI-SDR {held_out['mix_si_sdr_db']:.1f} dB; "
        f"one-shots mel {held_out['one_shot_mel']:.3f}, SI-SDR {held_out['one_shot_si_sdr_db']:.1f} dB; "
        f"codebook entries in use {held_out['perplexity']}; train {report.get('train')}"
    )
