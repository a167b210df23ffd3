"""Where recipes and manifests lie: a user's own file, or one that comes with rmod."""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.errors import RecipeError, nearest
from rmod_pipeline.storage.folders import shipped


def find_recipe(name: str) -> Path:
    """Return the file of a recipe by path, or by the name of one that comes with rmod. Raises RecipeError."""
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(name, "is a folder, a recipe is a YAML file", f"known recipes: {', '.join(recipe_names())}")
    # The README's `recipes/rmod.yaml` works from an installed package too, where no such folder lies around.
    wanted = path.stem if path.suffix in ("", ".yaml", ".yml") else ""
    candidate = shipped("recipes") / f"{wanted}.yaml"
    if wanted and candidate.is_file() and path.parent.name in ("", "recipes"):
        return candidate
    known = recipe_names()
    raise RecipeError(name, f"no such recipe{nearest(path.stem, known)}", f"give a path, or one of {', '.join(known)}")


def recipe_names(folder: str = "") -> list[str]:
    """Return the names of the recipes that come with rmod: for data sets, or in a folder of their own."""
    return sorted(path.stem for path in (shipped("recipes") / folder).glob("*.yaml"))


def find_in_folder(name: str, folder: str) -> Path:
    """Return the file of a recipe by path, or by the name of one in a folder of shipped recipes, such as ``codec``.

    Raises RecipeError.
    """
    path, known = Path(name), recipe_names(folder)
    hint = f"give a path, or one of {', '.join(known)}"
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(name, "is a folder, a recipe is a YAML file", hint)
    # As above: `recipes/codec/mini.yaml` works from an installed package too.
    if path.suffix in ("", ".yaml", ".yml") and path.stem in known and path.parent.name in ("", folder):
        return shipped("recipes") / folder / f"{path.stem}.yaml"
    raise RecipeError(name, f"no such {folder} recipe{nearest(path.stem, known)}", hint)
