"""`rmod recipe`: print a recipe, check one, print the schema of recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.cli.shared.options import GroovesOption
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.recipe import Recipe

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Print recipes, check your own, and get the schema for an editor.",
)

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A name such as rmod or quick, or a YAML file.")]

_SHOW_HELP = """Print a recipe with every default written out, as YAML that can be built.

Short forms are written out: `ratio: [2, 10]` becomes `ratio: {uniform: [2, 10]}`. Comments are lost; the recipes that
come with rmod are in `recipes/`, with a comment per line.

Examples:

    rmod recipe show quick

    rmod recipe show rmod > everything-spelled-out.yaml
"""

_CHECK_HELP = """Check that a recipe can be built, and print every problem with its line.

Prints one line and exits with 0 if all is well; exits with 2 otherwise. With a library, the command also checks that
each split holds enough sounds of every kind that the recipe plays.

Examples:

    rmod recipe check my.yaml

    rmod recipe check my.yaml --library builtin

    rmod recipe check my.yaml --library samples/library.csv --splits train

    rmod recipe check rmod_grooves --library builtin --grooves grooves.csv
"""

_SCHEMA_HELP = """Print the JSON Schema of recipes: every key with its meaning, unit, limits and default.

An editor that supports YAML schemas completes and checks a recipe while you type, if its first line is
`# yaml-language-server: $schema=recipe.schema.json`.

Examples:

    rmod recipe schema --out recipe.schema.json

    rmod recipe schema | less
"""


@app.command(cls=Command, help=_SHOW_HELP)
def show(name: Name) -> None:
    """Print a recipe with all defaults."""
    from rmod_pipeline.recipe import recipe_yaml

    typer.echo(recipe_yaml(_load(name)), nl=False)


@app.command(cls=Command, help=_CHECK_HELP)
def check(
    name: Name,
    library: Annotated[
        str | None, typer.Option(metavar="NAME.csv", help="Also check this manifest, or `builtin`, for its sounds.")
    ] = None,
    grooves: GroovesOption = None,
    splits: Annotated[str, typer.Option(metavar="A,B", help="The splits to check.")] = "train,valid,test",
) -> None:
    """Check a recipe."""
    recipe, split_names = _load(name), _parse_splits(splits)
    kinds = ", ".join(recipe.kinds)
    typer.echo(f"{name}: ok, {recipe.seconds:g} s of {kinds}; to extract: {', '.join(recipe.targets)}")
    if library is None:
        return
    from rmod_pipeline import api
    from rmod_pipeline.compose import SplitAssets

    sounds = api.open_library(library)
    opened = None if grooves is None else api.open_grooves(grooves)
    all_assets = [SplitAssets.of(recipe, sounds, split, opened) for split in split_names]
    for assets in all_assets:
        counts = ", ".join(f"{kind} {len(sounds)}" for kind, sounds in assets.by_kind.items())
        typer.echo(f"{library}: {assets.split} has enough: {counts}")
        if assets.grooves:
            typer.echo(f"{assets.split} has {len(assets.grooves.entries)} performances that are long enough")


@app.command(cls=Command, help=_SCHEMA_HELP)
def schema(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=parse_local_path, help="The file. Default: print it.")
    ] = None,
) -> None:
    """Print the JSON schema of recipes."""
    import json

    from rmod_pipeline.recipe import recipe_schema
    from rmod_pipeline.storage.writing import report_unwritable, write_text

    text = json.dumps(recipe_schema(), indent=2)
    if out is None:
        typer.echo(text)
        return
    with report_unwritable(out, "choose a folder that you can write to"):
        write_text(out, text + "\n")
    typer.echo(f"{out}: written")


def _load(name: str) -> Recipe:
    from rmod_pipeline.recipe import resolve_recipe

    return resolve_recipe(name)


def _parse_splits(text: str) -> list[str]:
    """Return the splits of `train,valid`. Raises UsageError for an unknown split."""
    from rmod_pipeline.errors import UsageError, nearest
    from rmod_pipeline.library.manifest import SPLITS

    splits = [word.strip() for word in text.split(",") if word.strip()]
    for word in splits:
        if word not in SPLITS:
            raise UsageError(
                "--splits", f"unknown split '{word}'{nearest(word, SPLITS)}", f"choose {', '.join(SPLITS)}"
            )
    return splits
