"""`rmod evaluate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmod_pipeline.storage import parse_location

if TYPE_CHECKING:
    from rmod_pipeline.evaluation.compare import Comparison


def evaluate(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A model that `rmod train` wrote: DIR/kick.pth.")
    ],
    data: Annotated[
        Any,
        typer.Option(
            metavar="OUT", parser=parse_location, help="A data set with sound and with tokens of the model's codec."
        ),
    ],
    split: Annotated[str, typer.Option(metavar="NAME", help="The pairs to ask about.")] = "test",
    pairs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first so many; default: all.")] = None,
    codec: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The tokens' codec, or its weights.")] = None,
    tries: Annotated[
        int, typer.Option(metavar="N", min=0, max=256, help="Sampled answers to each mixture, beside the likeliest.")
    ] = 8,
    write: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every pair's distances to a file.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda or cuda:1; auto takes a GPU if it can.")] = (
        "auto"
    ),
    threads: Annotated[int, typer.Option(metavar="N", min=1, help="Processor cores to use.")] = 1,
) -> None:
    """Tell how near a model's one-shots are to the true ones, beside guesses that do not listen.

    The distance is of log spectrograms at six resolutions, both sounds at full scale: 0 is equal, 1 is 20 dB off
    everywhere. `extracted` is which of several tries `rmod extract` would take.
    In brackets: in how many of the pairs it is nearer to the true one-shot than

      another's      its answer to another pair's mixture: half of the pairs, if the model is deaf

      agreed         of the tries the nearest to all, without listening again whether a kick is found in the mixture

      greedy         the likeliest try alone

      chance         a one-shot of the same kind picked from the training split

      typical        the most usual of 64 such

      coded chance   chance through the codec

      codec          the true one-shot through the codec: as near as tokens can come

    Below, its loss in nats a code, beside that when each pair is given another's mixture: where both are the same, the
    model goes on well from its own codes and does not listen.

    Example:

        rmod evaluate models/kick.pth --data OUT --split test
    """
    from rmod_pipeline.codec.torch_support import need_torch
    from rmod_pipeline.errors import DoseError

    need_torch(DoseError, "train")
    from rmod_pipeline.codec.device import use_threads
    from rmod_pipeline.dose.checkpoint import read_dose_checkpoint
    from rmod_pipeline.evaluation.compare import compare
    from rmod_pipeline.evaluation.condition_use import listening
    from rmod_pipeline.reading.decoding import decoder_for

    use_threads(threads)
    read = read_dose_checkpoint(checkpoint)
    opened, family = decoder_for(data, codec, device)
    with _bar() as on_pairs:
        found = list(compare(data, split, read, opened, family, most=pairs, tries=tries, on_pairs=on_pairs))
    _tell(found)
    for each in listening(data, split, read, family, device=opened.device, most=pairs):
        typer.echo(
            f"{each.instrument}: loss {each.full:.3f} (onset {each.onset:.3f}), with another pair's mixture "
            f"{each.full_of_another:.3f} (onset {each.onset_of_another:.3f})"
        )
    if write:
        _write(found, write)


def _tell(found: list[Comparison]) -> None:
    from rich.console import Console
    from rich.table import Table

    from rmod_pipeline.evaluation.compare import EXTRACTED, WAYS

    table = Table("distance, mean of pairs", *(f"{each.instrument} ({len(each.keys)})" for each in found))
    for way in WAYS:
        nearer = ["" if way == EXTRACTED else f" ({each.nearer_than(way):.0%})" for each in found]
        cells = [f"{each.mean(way):.3f}{share}" for each, share in zip(found, nearer, strict=True)]
        table.add_row(way, *cells)
    Console(highlight=False).print(table)


def _write(found: list[Comparison], path: Path) -> None:
    from rmod_pipeline.errors import UsageError

    content = {each.instrument: {"keys": each.keys, **each.distances} for each in found}
    try:
        path.write_text(json.dumps(content, indent=1))
    except OSError as error:
        raise UsageError(path, f"cannot be written: {error.strerror}", "choose another --json") from error


@contextmanager
def _bar() -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("pairs", total=None)
        yield lambda count: bar.advance(task, count)
