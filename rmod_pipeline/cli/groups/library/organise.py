"""`rmod library organise`: make a tidy tree of a messy folder of sounds, and undo it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import ClassifierOption
from rmod_pipeline.curation.organise.naming.pattern import DEFAULT_PATTERN, FIELDS
from rmod_pipeline.errors import UsageError, quote
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from rmod_pipeline.api import OrganiseResult, UndoResult

MOST_SHOWN = 20
"""Files listed one by one."""
MOST_FOLDERS = 100
"""Folders of the tree that are listed."""

_FIELDS_HELP = "\n\n".join(f"    {{{name}}}: {meaning}" for name, meaning in FIELDS.items())

ORGANISE_HELP = f"""Make a tidy tree of a messy folder of sounds: by kind, brightness and length.

SRC is a folder, or a manifest of `rmod library scan`; it stays as it is. The kind of a sound comes from its names.
Where they say nothing the classifier listens; `--listen` lets it check all names, `--names-only` none. Sounds without
a certain kind go to `unknown`. Of several copies of one sound, also at another level, rate or format, the best one is
placed. Files that cannot be used (damaged, silent, too short, longer than 10 minutes) are left out; `--keep-unknown`
puts them into `unsorted`.

`DST/organised.csv` says of every file what became of it and why. It is what `--undo` goes by: undo takes away exactly
the files that were placed and that are still the same, then the folders that this leaves empty, then the CSV.

No file is ever replaced: a name that is taken gets a number. Give a command that was stopped again, and it continues.
Files that an earlier run placed keep their place; for another pattern, undo first. `--links` places relative symbolic
links: they need no space, but they lead nowhere once SRC or DST is moved without the other. `--hard-links` places
second names of the same bytes, on the same disk: editing one edits the other.

Fields of the pattern; a folder whose fields are empty is left out:

{_FIELDS_HELP}

Exits with 1 if a file that can be used could not be placed, or if undo left a changed file in place.

Examples:

    rmod library organise Samples --to Tidy --dry-run

    rmod library organise Samples --to Tidy

    rmod library organise Samples --to Tidy --pattern "{{kind}}/{{kit}}/{{name}}" --links

    rmod library organise --undo Tidy/organised.csv
"""


def organise(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="SRC", parser=parse_local_path, help="A folder of sounds, or a manifest."),
    ] = None,
    *,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DST", parser=parse_local_path, help="The folder of the tree, apart from SRC."),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(metavar="CSV", parser=parse_local_path, help="The organised.csv of a tree: take it away again."),
    ] = None,
    pattern: Annotated[str, typer.Option(metavar="PATTERN", help="Folders and name of a file.")] = DEFAULT_PATTERN,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and change nothing.")] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=parse_local_path, help="With --dry-run: write the plan to a new CSV; `-` prints it."
        ),
    ] = None,
    listen: Annotated[bool, typer.Option("--listen", help="Check the kinds of names by ear too.")] = False,
    names_only: Annotated[bool, typer.Option("--names-only", help="Never listen.")] = False,
    model: ClassifierOption = None,
    links: Annotated[bool, typer.Option("--links", help="Place relative symbolic links, no copies.")] = False,
    hard_links: Annotated[bool, typer.Option("--hard-links", help="Place hard links, no copies.")] = False,
    keep_unknown: Annotated[
        bool, typer.Option("--keep-unknown", help="Put files that cannot be used into `unsorted`.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 is one per core.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure unchanged files again too.")] = False,
) -> None:
    """Organise a folder of sounds, or undo it."""
    from rmod_pipeline import api

    if undo is not None:
        if source is not None or to is not None:
            raise UsageError("--undo", "takes a CSV and no SRC or --to", "leave SRC and --to out")
        _print_undo(api.undo_organise(undo, dry_run=dry_run))
        return
    if source is None or to is None:
        found = "no SRC" if source is None else "no --to"
        raise UsageError("rmod library organise", found, "give both, as in `rmod library organise Samples --to Tidy`")
    _check_csv(csv, dry_run)
    result = api.organise(
        source,
        to=to,
        pattern=pattern,
        listen=listen,
        names_only=names_only,
        model=model,
        links=links,
        hard_links=hard_links,
        keep_unknown=keep_unknown,
        dry_run=dry_run,
        workers=workers,
        fresh=fresh,
    )
    _print_result(result, csv)
    if result.failed:
        raise typer.Exit(1)


def _check_csv(csv: Path | None, dry_run: bool) -> None:
    """Raise UsageError unless the plan can be written there."""
    if csv is None:
        return
    if not dry_run:
        raise UsageError("--csv", "is for --dry-run", "leave it out: the tree gets its own organised.csv")
    if not _is_stdout(csv) and (csv.exists() or csv.is_symlink()):
        raise UsageError(csv, "exists already", "name a new file for --csv, or - to print the plan")


def _is_stdout(csv: Path) -> bool:
    return str(csv) == "-"


def _print_result(result: OrganiseResult, csv: Path | None) -> None:
    from rich.console import Console

    prints_csv = csv is not None and _is_stdout(csv)
    console = Console(markup=False, highlight=False, soft_wrap=True, stderr=prints_csv)
    for line in (*_list_folders(result), *_describe(result)):
        console.print(line)
    if csv is not None:
        _write_plan(result, csv, console)
    if result.is_dry_run:
        console.print("Nothing was changed: this was a dry run.")
    else:
        console.print(f"{result.table} lists every file; undo: rmod library organise --undo {quote(result.table)}")


def _write_plan(result: OrganiseResult, csv: Path, console: Console) -> None:
    from rmod_pipeline.curation.organise.table import format_table, write_table

    if _is_stdout(csv):
        typer.echo(format_table(result.files), nl=False)
    else:
        write_table(csv, result.files)
        console.print(f"{csv}: the plan, {len(result.files):,} rows")


def _list_folders(result: OrganiseResult) -> Iterator[str]:
    """Yield the tree with the number of files in each folder; deep folders are left out of a large tree."""
    from rmod_pipeline.curation.organise.plan import count_folders

    counts = {path: number for path, number in count_folders(result.files).items() if path != "."}
    depth = max((path.count("/") for path in counts), default=0)
    while depth and sum(path.count("/") <= depth for path in counts) > MOST_FOLDERS:
        depth -= 1
    shown = [path for path in counts if path.count("/") <= depth]
    yield f"{result.folder}"
    for path in shown[:MOST_FOLDERS]:
        name = "  " * (path.count("/") + 1) + path.rpartition("/")[2]
        yield f"{name:<40} {counts[path]:>7,}"
    if len(shown) > MOST_FOLDERS:
        yield f"  and {len(shown) - MOST_FOLDERS:,} more folders"


def _describe(result: OrganiseResult) -> Iterator[str]:
    """Yield what became of the files of this source."""
    from collections import Counter

    from rmod_pipeline.curation.organise.plan import sum_actions

    files = result.own_files
    yield ", ".join(f"{count:,} {action}" for action, count in sum_actions(files).items()) or "no files"
    reasons = Counter(file.reason.split(":")[0] for file in files if file.reason)
    for reason, count in reasons.most_common():
        yield f"skipped {count:,}: {reason}"
    by_ear = sum(file.kind_from == "ear" for file in files)
    if by_ear:
        yield f"{by_ear:,} kinds are by ear; the columns kind_from and confidence tell which"
    yield from _list_some("could not be placed", [f"{file.old_path}: {file.reason}" for file in result.failed])
    yield from _list_some("changed since an earlier run placed it, and kept", result.changed)


def _print_undo(result: UndoResult) -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False, soft_wrap=True)
    verb = "would be taken away" if result.is_dry_run else "taken away"
    console.print(f"{result.folder}: {len(result.removed):,} files {verb}")
    if result.gone:
        console.print(f"{len(result.gone):,} placed files were gone already")
    for line in _list_some("changed since it was placed, and kept", result.changed):
        console.print(line)
    for line in _list_some("could not be taken away", [f"{path}: {reason}" for path, reason in result.failed]):
        console.print(line)
    if result.keeps_table and not result.is_dry_run:
        reason = "give the command again after the cause is mended" if result.failed else "no placed file was beside it"
        console.print(f"The CSV stays: {reason}.")
    if result.changed or result.keeps_table:
        raise typer.Exit(1)


def _list_some(what: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines[:MOST_SHOWN]:
        yield f"{what}: {line}"
    if len(lines) > MOST_SHOWN:
        yield f"{what}: {len(lines) - MOST_SHOWN:,} more, see the CSV"
