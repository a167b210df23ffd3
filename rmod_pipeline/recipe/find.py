"""Where recipes and manifests lie: a user's own file, or one that comes with rmod."""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.errors import RecipeError, nearest
from rmod_pipeline.places import shipped


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


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with rmod."""
    return sorted(path.stem for path in shipped("recipes").glob("*.yaml"))
