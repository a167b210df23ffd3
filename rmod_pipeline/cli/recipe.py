"""`rmod recipe`: look at a recipe, check one, and get the schema of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.help_format import Command, Group

if TYPE_CHECKING:
    from rmod_pipeline.recipe import Recipe

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look at recipes, check your own, and get the schema for an editor.",
)

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A name such as rmod or quick, or a YAML file.")]

_SHOW_HELP = """Print a recipe with every default written out, as YAML that can be built.

Short forms come out long: `ratio: [2, 10]` as `ratio: {uniform: [2, 10]}`. Comments are lost; the files that come with
rmod lie in `recipes/` and explain themselves line by line.

Examples:

    rmod recipe show quick

    rmod recipe show rmod > everything-spelled-out.yaml
"""

_CHECK_HELP = """Check that a recipe can be built, and say every problem with its line.

Prints one line and ends with 0 if all is well; ends with 2 otherwise. With a library, checks also that it has the
sounds that the recipe plays, enough of each to layer, on the side of each split asked for.

Examples:

    rmod recipe check my.yaml

    rmod recipe check my.yaml --library builtin

    rmod recipe check my.yaml --library samples/library.csv --splits train
"""

_SCHEMA_HELP = """Print the JSON Schema of recipes: every key with its meaning, unit, limits and default.

An editor that knows YAML schemas completes and checks a recipe while you write, if its first line is
`# yaml-language-server: $schema=recipe.schema.json`.

Examples:

    rmod recipe schema --out recipe.schema.json

    rmod recipe schema | less
"""


@app.command(cls=Command, help=_SHOW_HELP)
def show(name: Name) -> None:
    from rmod_pipeline.recipe import recipe_yaml

    typer.echo(recipe_yaml(_load(name)), nl=False)


@app.command(cls=Command, help=_CHECK_HELP)
def check(
    name: Name,
    library: Annotated[
        str | None, typer.Option(metavar="NAME.csv", help="Also check this manifest, or `builtin`, for its sounds.")
    ] = None,
    splits: Annotated[
        str, typer.Option(metavar="A,B", help="The sides of the library that must have enough.")
    ] = "train,valid,test",
) -> None:
    recipe, wanted = _load(name), _splits(splits)
    kinds = ", ".join(recipe.kinds)
    typer.echo(f"{name}: ok, {recipe.seconds:g} s of {kinds}; to extract: {', '.join(recipe.targets)}")
    if library is None:
        return
    from rmod_pipeline.compose import SplitAssets
    from rmod_pipeline.library.manifest import load_library

    sounds = load_library(library)
    palettes = [SplitAssets.of(recipe, sounds, split) for split in wanted]
    for palette in palettes:
        counts = ", ".join(f"{kind} {len(assets)}" for kind, assets in palette.by_kind.items())
        typer.echo(f"{library}: {palette.split} has enough: {counts}")


@app.command(cls=Command, help=_SCHEMA_HELP)
def schema(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; default: print it.")] = None,
) -> None:
    import json

    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.recipe import recipe_schema

    text = json.dumps(recipe_schema(), indent=2)
    if out is None:
        typer.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            out, f"cannot be written: {error.strerror}", "choose a folder that you can write to"
        ) from error
    typer.echo(f"{out}: written")


def _load(name: str) -> Recipe:
    from rmod_pipeline.recipe import find_recipe, load_recipe

    return load_recipe(find_recipe(name))


def _splits(text: str) -> list[str]:
    """Return the splits of `train,valid`. Raises UsageError for a word that is none."""
    from rmod_pipeline.errors import UsageError, nearest
    from rmod_pipeline.library.manifest import SPLITS

    splits = [word.strip() for word in text.split(",") if word.strip()]
    for word in splits:
        if word not in SPLITS:
            raise UsageError("--splits", f"'{word}' is no split{nearest(word, SPLITS)}", f"known: {', '.join(SPLITS)}")
    return splits
