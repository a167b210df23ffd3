"""`rmod evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import DataOption, PlainDeviceOption, ThreadsOption
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.evaluation.evaluate import Evaluation


def evaluate(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", parser=parse_local_path, help="A model: DIR/kick.pth."),
    ],
    data: DataOption,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split.")] = "test",
    pairs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first N pairs. Default: all.")] = None,
    codec: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The tokens' codec, or its weights.")] = None,
    tries: Annotated[
        int, typer.Option(metavar="N", min=0, max=256, help="Sampled candidates per mixture, beside the greedy one.")
    ] = 8,
    write: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", parser=parse_local_path, help="Write all distances to a file."),
    ] = None,
    device: PlainDeviceOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Compare a model's one-shots with the true ones, beside simpler systems.

    The distance is between log spectrograms at six resolutions, both sounds at full scale: 0 is equal, 1 is 20 dB off
    everywhere. `extracted` is the candidate that `rmod extract --answer generated` would keep. Beside each
    other system, the percentage in brackets is the share of pairs in which `extracted` is nearer to the truth:

      another's      the model's answer to another pair's mixture: half of the pairs, if the model does not listen

      agreed         the candidate nearest to all others, without listening to the mixture again

      greedy         the greedy candidate alone

      chance         a one-shot of the same kind from the training split, picked at random

      typical        the most typical of 64 such one-shots

      coded chance   chance through the codec

      codec          the true one-shot through the codec: the best that tokens can do

    Below the table: the loss in nats per code, and the loss when each pair is given another pair's mixture. If both
    are equal, the model continues its own codes well and does not listen.

    Example:

        rmod evaluate models/kick.pth --data OUT --split test
    """
    from rmod_pipeline import api
    from rmod_pipeline.storage.writing import check_writable_file

    if write:
        check_writable_file(write, "choose another --json")
    result = api.evaluate(
        checkpoint, data=data, split=split, pairs=pairs, codec=codec, tries=tries, device=device, threads=threads
    )
    _print_table(result)
    for losses in result.losses():
        typer.echo(
            f"{losses['instrument']}: loss {losses['full']:.3f} (onset {losses['onset']:.3f}), "
            f"with another pair's mixture "
            f"{losses['full_with_other_mixture']:.3f} (onset {losses['onset_with_other_mixture']:.3f})"
        )
    if write:
        _write(result, write)


def _print_table(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from rmod_pipeline.evaluation.compare import EXTRACTED, SYSTEMS

    comparisons = result.comparisons
    table = Table("distance, mean of pairs", *(f"{each.instrument} ({len(each.keys)})" for each in comparisons))
    for system in SYSTEMS:
        shares = ["" if system == EXTRACTED else f" ({each.nearer_than(system):.0%})" for each in comparisons]
        cells = [f"{each.mean(system):.3f}{share}" for each, share in zip(comparisons, shares, strict=True)]
        table.add_row(system, *cells)
    Console(highlight=False).print(table)


def _write(result: Evaluation, path: Path) -> None:
    from rmod_pipeline.storage.writing import report_unwritable, write_text

    with report_unwritable(path, "choose another --json"):
        write_text(path, json.dumps(result.to_dict(), indent=1))
