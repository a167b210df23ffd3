"""`rmod library check`: check the files of a manifest."""

from __future__ import annotations

from typing import Annotated

import typer

from rmod_pipeline.cli.shared.counts import print_counts

CHECK_HELP = """Check that every file of a manifest exists and is unchanged, and count its sounds.

Exits with 1 if there is anything to mend. `builtin` is the kit that comes with rmod.

Examples:

    rmod library check samples/library.csv

    rmod library check builtin
"""


def check(
    manifest: Annotated[str, typer.Argument(metavar="NAME.csv", help="The manifest, or `builtin`.")],
) -> None:
    """Check every file of a manifest."""
    from rich.console import Console

    from rmod_pipeline import api

    library = api.open_library(manifest)
    problems = api.check_library(library)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    print_counts(console, library.assets, {})
    for problem in problems:
        console.print(problem)
    if problems:
        console.print(f"{len(problems)} to mend in {library.manifest}")
        raise typer.Exit(1)
    console.print(f"{len(library.assets)} files exist and are unchanged")
