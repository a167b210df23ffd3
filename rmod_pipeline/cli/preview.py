"""`rmod preview`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmod_pipeline.cli.shared.options import GroovesOption, OpenFlag
from rmod_pipeline.storage import parse_local_path


def preview(
    source: Annotated[
        str,
        typer.Argument(
            metavar="OUT|RECIPE", help="A data set's folder or address; or a recipe, to render pairs on the spot."
        ),
    ],
    *,
    pairs: Annotated[
        int,
        typer.Option(min=1, max=500, metavar="N", help="Number of pairs; 12 make a page of about 4 MB, with stems 7."),
    ] = 12,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split: train, valid or test.")] = "train",
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            parser=parse_local_path,
            help="The page to write. Default: OUT-preview.html beside OUT.",
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(metavar="LIBRARY", help="For a recipe: manifest or folder of sounds. Default: builtin."),
    ] = None,
    grooves: GroovesOption = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="For a data set with tokens: the codec to decode, or its weights. Default: all that are known.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="For a recipe: other pairs for each seed.")] = 0,
    show: OpenFlag = False,
) -> None:
    """Write a page to hear and see some pairs: one HTML file that needs no network.

    Each pair has its mixture, one-shots and stems to play, with spectrogram, piano roll, effects, levels and sources.
    The top of the page shows what varies over all pairs. The pairs are spread evenly over the split. The page stands
    beside OUT and not in it, because a data set's files are the same for everyone who builds it.

    With a recipe in place of OUT, the first pairs of a build are rendered on the spot, with stems, and nothing else is
    written: change the recipe, run it again, listen.

    Examples:

        rmod preview out --open

        rmod preview out --split valid --pairs 24 --page valid.html

        rmod preview my.yaml --library samples/library.csv --open
    """
    from rmod_pipeline import api

    written = api.preview(
        source, pairs=pairs, split=split, page=page, library=library, grooves=grooves, codec=codec, seed=seed
    )
    typer.echo(f"{written}: {written.stat().st_size / 1e6:.1f} MB")
    if show:
        typer.launch(written.resolve().as_uri())
