"""`rmod dose`: models that take a dry one-shot out of a mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmod_pipeline.cli.help_format import Command, Group

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode="markdown")

_IMPORT_HELP = """Turn a checkpoint that the DOSE authors published into rmod's own.

Writes OUT/kick.pth (or snare, hihat), a model with the published arithmetic. The file is read as plain arrays: what
would have to be run is refused. Another model of this name in OUT is left, and said.

Examples:

    rmod dose import kick.ckpt --out models

    rmod dose import last.ckpt --instrument snare --out models
"""


@app.callback()
def _group() -> None:
    # Without this, typer would take the only command for the whole.
    pass


@app.command("import", cls=Command, help=_IMPORT_HELP)
def import_published(
    checkpoint: Annotated[Path, typer.Argument(help="A published checkpoint, such as kick.ckpt.")],
    out: Annotated[Path, typer.Option(help="The folder for the checkpoint; made if missing.")],
    instrument: Annotated[
        str | None, typer.Option(help="What it extracts, if its name does not say: kick, snare, hihat.")
    ] = None,
    heads: Annotated[
        int, typer.Option(min=1, metavar="N", help="Heads of attention, which its weights do not show.")
    ] = 16,
) -> None:
    from rmod_pipeline.codec.torch_support import need_torch
    from rmod_pipeline.errors import DoseError

    need_torch(DoseError, "train")
    from rmod_pipeline.dose.checkpoint import load_dose_model, write_new_checkpoint
    from rmod_pipeline.dose.reference import import_reference

    imported = import_reference(checkpoint, instrument, heads)
    model = load_dose_model(imported)
    path = write_new_checkpoint(imported, out)
    size = model.size
    typer.echo(
        f"{path}: {', '.join(imported.instruments)}, {size.layers} layers of width {size.width}, "
        f"{model.parameters_count() / 1e6:.1f} M parameters, {size.codebooks} codebooks of {size.codebook_size}"
    )
