"""Find the recipe of a classifier. Imports no torch."""

from __future__ import annotations

from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.load import load_yaml_by_kind

FOLDER = "classifier"
SHIPPED = "sounds"
"""The recipe of the classifier that rmod ships."""


def load_classifier_recipe(name: str = SHIPPED) -> ClassifierRecipe:
    """Read a recipe from a path, or by the name of one that ships with rmod. Raises RecipeError."""
    return load_yaml_by_kind({FOLDER: ClassifierRecipe}, find_recipe(name, FOLDER), {FOLDER: f"{SHIPPED}.yaml"})


def with_steps(recipe: ClassifierRecipe, steps: int | None) -> ClassifierRecipe:
    """Return the recipe with another number of steps; unchanged for None. Validations and warm-up become as rare."""
    if steps is None:
        return recipe
    share = steps / recipe.schedule.steps
    changed = {
        "steps": steps,
        "warm_up_steps": min(round(recipe.schedule.warm_up_steps * share), steps - 1),
        "check_every_steps": max(1, min(steps, round(recipe.schedule.check_every_steps * share))),
    }
    return recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update=changed)})
