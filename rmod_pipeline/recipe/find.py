"""Find the file of a recipe: a path of the user's, or the name of a recipe that rmod ships.

One rule decides what a text means, here and wherever a name may also be a path: a name that rmod knows is that name,
whatever files and folders lie beside it. ``./rmod`` is the path.
"""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.errors import RecipeError, nearest
from rmod_pipeline.storage import parse_local_path
from rmod_pipeline.storage.folders import shipped_folder


def find_recipe(name: str, folder: str = "") -> Path:
    """Return the file of a recipe, given by its path or by the name of a shipped recipe. Raises RecipeError.

    ``folder`` is the folder of shipped recipes to search, such as ``codec``; by default it is that of data sets.
    """
    path, known = parse_local_path(name), recipe_names(folder)
    hint = f"give a path, or one of {', '.join(known)}"
    if name in known:
        return shipped_folder("recipes") / folder / f"{name}.yaml"
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(name, "is a folder, a recipe is a YAML file", hint)
    # `recipes/rmod.yaml`, as in the README, names a shipped recipe even where no such folder exists.
    if path.suffix in ("", ".yaml", ".yml") and path.stem in known and path.parent.name in ("", folder or "recipes"):
        return shipped_folder("recipes") / folder / f"{path.stem}.yaml"
    kind = f"{folder} recipe" if folder else "recipe"
    raise RecipeError(name, f"no such {kind}{nearest(path.stem, known)}", hint)


def recipe_names(folder: str = "") -> list[str]:
    """Return the names of the shipped recipes: those of data sets, or those in ``folder``, such as ``codec``."""
    return sorted(path.stem for path in (shipped_folder("recipes") / folder).glob("*.yaml"))
