"""`rmod dose`: models that extract dry one-shots from mixtures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.storage import parse_local_path

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode="markdown")

_IMPORT_HELP = """Convert a checkpoint that the DOSE authors published.

Writes OUT/kick.pth (or snare, hihat), a model with the published arithmetic. The file is read as plain arrays; code in
it is refused, never run. A different model of this name in OUT is not overwritten.

Examples:

    rmod dose import kick.ckpt --out models

    rmod dose import last.ckpt --instrument snare --out models
"""


@app.callback()
def _group() -> None:
    # Without a callback, Typer would make the only command the group itself.
    pass


@app.command("import", cls=Command, help=_IMPORT_HELP)
def import_published(
    checkpoint: Annotated[
        Path, typer.Argument(parser=parse_local_path, help="A published checkpoint, such as kick.ckpt.")
    ],
    out: Annotated[Path, typer.Option(parser=parse_local_path, help="The folder for the checkpoint; made if missing.")],
    instrument: Annotated[str | None, typer.Option(help="The instrument, if the file's name does not say it.")] = None,
    heads: Annotated[
        int, typer.Option(min=1, metavar="N", help="Attention heads, which the weights do not show.")
    ] = 16,
) -> None:
    """Import a checkpoint of the published code."""
    from rmod_pipeline import api

    path, imported = api.import_checkpoint(checkpoint, out=out, instrument=instrument, heads=heads)
    size = imported.recipe.model
    parameters = sum(weights.numel() for weights in imported.state.values())
    typer.echo(
        f"{path}: {', '.join(imported.instruments)}, {size.layers} layers of width {size.width}, "
        f"{parameters / 1e6:.1f} M parameters, {size.codebooks} codebooks of {size.codebook_size}"
    )
