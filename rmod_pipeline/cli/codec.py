"""`rmod codec`: the codecs that turn audio into tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from rmod_pipeline.cli.help_format import Command, Group

app = typer.Typer(no_args_is_help=True, cls=Group, rich_markup_mode="markdown")


@app.command("list", cls=Command)
def list_codecs() -> None:
    """List the codecs that rmod knows by name, and whether their weights are here.

    Any other checkpoint of descript-audio-codec is opened by its path.

    Example:

        rmod codec list
    """
    from rmod_pipeline.codec.catalogue import KNOWN

    for known in KNOWN.values():
        where = known.path if known.path.is_file() else f"not here: rmod codec fetch {known.name}"
        typer.echo(f"{known.name}: {known.about}\n    {where}")


@app.command(cls=Command)
def fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="A codec that rmod knows: dac-44khz.")]) -> None:
    """Download a codec's weights into rmod's cache, and check them.

    About 300 MB. A download that broke off goes on where it was when the same command is given again.

    Example:

        rmod codec fetch dac-44khz
    """
    from rmod_pipeline.codec.catalogue import find_known
    from rmod_pipeline.codec.download import download_weights as fetch_weights

    with _download_bar() as heard:
        path = fetch_weights(find_known(name), heard)
    typer.echo(path)


@app.command(cls=Command)
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="A codec that rmod knows, or the path of a dac checkpoint.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print what token shards say of their codec.")] = False,
) -> None:
    """Open a codec and tell what it is: shape of its tokens, parameters, checksum.

    Examples:

        rmod codec show mini

        rmod codec show OUT/codec.pth
    """
    import json

    from rmod_pipeline.codec import open_codec

    codec = open_codec(name, device="cpu")
    identity = codec.identity
    if as_json:
        typer.echo(json.dumps(identity.to_dict(), indent=1))
        return
    rate = identity.sample_rate / identity.hop
    bits = identity.codebooks * (identity.codebook_size - 1).bit_length()
    typer.echo(f"{identity.name}, version {identity.version or 'not said'}, sha256 {identity.sha256}")
    typer.echo(f"{identity.sample_rate} Hz, hop {identity.hop}: {rate:.1f} frames a second")
    typer.echo(f"{identity.codebooks} codebooks of {identity.codebook_size}: {rate * bits / 1000:.1f} kbit/s")
    typer.echo(f"{codec.parameters() / 1e6:.2f} M parameters")


@app.command(cls=Command)
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A codec's recipe: a file, or a name that comes with rmod: mini.")
    ],
    library: Annotated[
        list[str], typer.Option(metavar="NAME.csv", help="A manifest, or `builtin`; may be given several times.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints and rendered sounds go.")],
    minutes: Annotated[
        float | None, typer.Option(metavar="N", min=0.01, help="Another budget than the recipe's.")
    ] = None,
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="Processor cores to use.")] = 1,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu or cuda.")] = "cpu",
    begin_from: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="A codec whose decoder alone is trained further: its tokens stay what they are, and sound better.",
        ),
    ] = None,
) -> None:
    """Fit a small codec to this pipeline's own sounds.

    Renders the mixtures that the recipe asks for from every library, leaves out all sounds under other licences than
    it allows, and trains until its budget is spent. Stopped, it goes on when the same command is given again.
    DIR/codec.pth is a checkpoint that `--codec DIR/codec.pth` takes, from the first few minutes on.

    Examples:

        rmod codec train mini --library builtin --out OUT

        rmod codec train recipes/codec/mini.yaml --library builtin --library lib.csv --out OUT --minutes 240

        rmod codec train mini_decoder --begin-from mini --library builtin --library lib.csv --out OUT
    """
    from rmod_pipeline.cli.kit import open_library
    from rmod_pipeline.codec.catalogue import find_weights
    from rmod_pipeline.codec.checkpoint import read_codec_checkpoint
    from rmod_pipeline.codec.device import flush_denormals, use_threads
    from rmod_pipeline.training.codec.material import prepare_material
    from rmod_pipeline.training.codec.recipe import load_codec_recipe, with_minutes
    from rmod_pipeline.training.codec.train import WEIGHTS, CodecTrainer

    loaded = with_minutes(load_codec_recipe(recipe), minutes)
    begun = None
    if begin_from is not None:
        _, path, sha256 = find_weights(begin_from)
        begun = read_codec_checkpoint(path, sha256)
    libraries = [open_library(each) for each in library]
    use_threads(threads)
    flush_denormals()
    valid, train = (prepare_material(loaded, libraries, split, out / "material") for split in ("valid", "train"))
    with _training_bar() as on_step:
        CodecTrainer(loaded, train, valid, out, device, begin_from=begun).run(_tell, on_step)
    typer.echo(f"{out / WEIGHTS}: done. Try it: rmod codec show {out / WEIGHTS}")


@contextmanager
def _training_bar() -> Iterator[Callable[[float, int], None]]:
    """Give a function that draws how much of the budget is spent, while somebody looks on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("step {task.fields[step]}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=1.0, step=0)
        yield lambda share, step: bar.update(task, completed=min(share, 1.0), step=step)


@contextmanager
def _download_bar() -> Iterator[Callable[[int, int | None], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("weights", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell(report: dict[str, Any]) -> None:
    held_out = report["held_out"]
    typer.echo(
        f"step {report['step']}, {report['minutes']:.1f} min: "
        f"mixtures mel {held_out['mix_mel']:.3f}, SI-SDR {held_out['mix_si_sdr_db']:.1f} dB; "
        f"one-shots mel {held_out['one_shot_mel']:.3f}, SI-SDR {held_out['one_shot_si_sdr_db']:.1f} dB; "
        f"codebook entries in use {held_out['perplexity']}; train {report.get('train')}"
    )
