"""Find the recipe of a training, of whatever kind of model, and check options against it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.errors import UsageError
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.load import load_yaml_by_kind

KINDS: Mapping[str, type[DoseRecipe] | type[EarRecipe]] = {"dose": DoseRecipe, "ear": EarRecipe}
"""By the value of the key ``kind`` of a recipe, which is also the folder of the shipped recipes of that kind."""


def load_training_recipe(name: str) -> DoseRecipe | EarRecipe:
    """Read a recipe from a path, or by the name of one that ships with rmod. Raises RecipeError.

    The top-level key ``kind`` of the file decides what it trains; without it, DOSE.
    """
    return load_yaml_by_kind(KINDS, find_recipe(name, *KINDS), {"dose": "tiny.yaml", "ear": "ear.yaml"})


def refuse_dose_options(recipe: EarRecipe, *, codec: object, instrument: object, ear: object) -> None:
    """Raise UsageError for an option of a training that only DOSE has; None is an option that was not given."""
    if codec is not None:
        found = f"the recipe {recipe.name} trains an ear, which reads features and no tokens"
        raise UsageError(f"--codec {codec}", found, "leave it out")
    if instrument is not None:
        found = f"the recipe {recipe.name} makes one ear for {', '.join(recipe.instruments)}"
        raise UsageError(f"--instrument {instrument}", found, "leave it out")
    if ear is not None:
        found = f"the recipe {recipe.name} trains an ear of its own"
        raise UsageError(f"--ear {ear}", found, f"leave it out, or start from it: --begin-from {ear}")
