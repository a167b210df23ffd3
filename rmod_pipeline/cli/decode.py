"""`rmod decode`."""

from __future__ import annotations

from typing import Annotated

import typer

from rmod_pipeline.cli.shared.options import DataArgument, DeviceOption, FilesOption, KeyArgument


def decode(
    out: DataArgument,
    key: KeyArgument,
    folder: FilesOption,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH", help="The codec of the tokens, or its weights. Default: the only one in OUT."
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Turn a pair's tokens back into sound: WAV files of the mixture and of each one-shot, cut to its true length.

    Examples:

        rmod decode OUT train-00000012 --out listen

        rmod decode OUT train-00000012 --out listen --codec ~/weights.pth
    """
    from rmod_pipeline import api

    for path in api.decode(out, key, out=folder, codec=codec, device=device):
        typer.echo(path)
