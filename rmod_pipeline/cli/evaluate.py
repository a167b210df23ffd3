"""`rmod evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import PlainDeviceOption
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.evaluation.figures.results import EvaluationResults


def evaluate(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE.yaml|CHECKPOINT]", help="What to evaluate: a recipe, or a model."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="OUT", help="The data set to evaluate a model on; a recipe names its own.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=parse_local_path, help="Folder for tables, pages and what is done so far."),
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split of --data.")] = "test",
    pairs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first N pairs. Default: all.")] = None,
    codec: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The model's codec, or its weights.")] = None,
    tries: Annotated[
        int, typer.Option(metavar="N", min=0, max=256, help="Sampled candidates per mixture, beside the greedy one.")
    ] = 8,
    answers: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="Answers of another program: DIR/KEY.kick.wav. Repeatable."),
    ] = None,
    library: Annotated[
        str | None, typer.Option(metavar="LIBRARY", help="Also pick answers from the train split of a library.")
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Worker processes.")] = 1,
    votes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=parse_local_path, help="Count votes that a blind page in --out saved."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", parser=parse_local_path, help="Write all figures and distances."),
    ] = None,
    device: PlainDeviceOption = "auto",
) -> None:
    """Compare the answers of systems with the true one-shots.

    A recipe names systems and test sets: models, cut hits, picks from a library, guesses, ceilings, folders of answers
    that any program made. Without a recipe, one model is compared with simpler systems:

      DOSE           the candidate that `rmod extract --answer generated` would keep

      another's      the model's answer to another pair's mixture: as good, if the model does not listen

      agreed         the candidate nearest to all others, without listening to the mixture again

      greedy         the greedy candidate alone

      sliced         a hit cut from the percussive part in the drum's band, at a known or a found onset

      chance         a one-shot of the same kind from the training split, picked at random

      typical        the most typical of 64 such one-shots

      coded chance   chance through the codec

      codec          the true one-shot through the codec: the best that tokens can do

    The distance is between log spectrograms at six resolutions, both sounds at full scale: 0 is equal, 1 is 20 dB off
    everywhere. With --out, the folder has tables with intervals, plots, pages to listen to and a blind test; an
    evaluation that was stopped is resumed by the same command.

    Examples:

        rmod evaluate models/kick.pth --data OUT
        rmod evaluate table.yaml --out evaluation --workers 2
        rmod evaluate --data OUT --answers demucs=answers/
        rmod evaluate --votes blind-pairs-votes.json --out evaluation
    """
    from rmod_pipeline import api
    from rmod_pipeline.storage.writing import check_writable_file

    if votes is not None:
        _print_votes(votes, out)
        return
    if write:
        check_writable_file(write, "choose another --json")
    results = api.evaluate(
        source, data=data, out=out, split=split, pairs=pairs, codec=codec, tries=tries, answers=_parse_answers(answers),
        library=library, device=device, workers=workers,
    )  # fmt: skip
    _print_tables(results)
    if out is not None:
        typer.echo(f"open {out / 'evaluation.html'}")
    if write:
        _write(results, write)


def _parse_answers(answers: list[str] | None) -> dict[str, str]:
    """Return folders by name. Raises UsageError for a text without a name."""
    from rmod_pipeline.errors import UsageError

    parsed = {}
    for text in answers or ():
        name, separator, folder = text.partition("=")
        if not separator or not name or not folder:
            raise UsageError(f"--answers {text}", "has no name", f"give NAME=DIR, such as demucs={text or 'answers'}")
        if name in parsed:
            raise UsageError(f"--answers {text}", f"{name} is given twice", "give each folder another name")
        parsed[name] = folder
    return parsed


def _print_tables(results: EvaluationResults) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rmod_pipeline.pages.evaluation.tables import make_result_tables

    console = Console(highlight=False)
    for result in make_result_tables(results):
        if result.is_open:
            # Names of systems may have brackets, which are no markup.
            table = Table(*map(escape, result.headings), title=escape(result.title), title_justify="left")
            for row in result.rows:
                table.add_row(*map(escape, row))
            console.print(table)
            console.print(escape(result.note))


def _print_votes(votes: Path, out: Path | None) -> None:
    """Count votes with the key that stands beside their page. Raises UsageError."""
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.evaluation.votes import count_votes, find_key

    if out is None:
        raise UsageError("--out", "is missing", "give the folder of the evaluation, which has the key of the test")
    for each in count_votes(votes, find_key(votes, out)):
        total = each.wins + each.losses + each.equal
        typer.echo(
            f"{each.system} {each.wins} : {each.losses} {each.other}, {each.equal} equal, of {total} (p = {each.p:.3f})"
        )


def _write(results: EvaluationResults, path: Path) -> None:
    from rmod_pipeline.storage.writing import report_unwritable, write_text

    content = {**results.to_dict(), "items": list(results.items())}
    with report_unwritable(path, "choose another --json"):
        write_text(path, json.dumps(content, indent=1))
