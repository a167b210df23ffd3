"""Find the file of a recipe: a path of the user's, or the name of a recipe that rmod ships.

One rule decides what a text means, here and wherever a name may also be a path: a name that rmod knows is that name,
whatever files and folders lie beside it. ``./rmod`` is the path.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rmod_pipeline.errors import RecipeError, nearest
from rmod_pipeline.storage import parse_local_path
from rmod_pipeline.storage.folders import shipped_folder


def find_recipe(name: str, *folders: str) -> Path:
    """Return the file of a recipe, given by its path or by the name of a shipped recipe. Raises RecipeError.

    ``folders`` are the folders of shipped recipes to search, such as ``codec``; by default that of data sets.
    """
    path, known = parse_local_path(name), _shipped_files(folders or ("",))
    hint = f"give a path, or one of {', '.join(known)}"
    if name in known:
        return known[name]
    if path.is_file():
        return path
    if path.is_dir():
        raise RecipeError(name, "is a folder, a recipe is a YAML file", hint)
    # `recipes/rmod.yaml`, as in the README, names a shipped recipe even where no such folder exists.
    shipped = known.get(path.stem)
    if path.suffix in ("", ".yaml", ".yml") and shipped and path.parent.name in ("", shipped.parent.name):
        return shipped
    kind = f"{' or '.join(folders)} recipe".strip()
    raise RecipeError(name, f"no such {kind}{nearest(path.stem, known)}", hint)


def recipe_names(folder: str = "") -> list[str]:
    """Return the names of the shipped recipes: those of data sets, or those in ``folder``, such as ``codec``."""
    return list(_shipped_files((folder,)))


def _shipped_files(folders: Sequence[str]) -> dict[str, Path]:
    """Return the files of the shipped recipes in these folders, by name in the order of the folders."""
    recipes = shipped_folder("recipes")
    return {path.stem: path for folder in folders for path in sorted((recipes / folder).glob("*.yaml"))}
