"""Recipes: YAML that says what to build, and the strict check that turns it into a ``Recipe``."""

from rmod_pipeline.recipe.find import find_recipe, recipe_names
from rmod_pipeline.recipe.load import dump_decisive, load_recipe, parse_recipe, recipe_digest, resolve_recipe
from rmod_pipeline.recipe.patterns import GroovePatterns, Humanise, RandomPatterns
from rmod_pipeline.recipe.schema import Chain, DrumRanges, LoopRanges, Recipe, RejectLimits, SendRanges
from rmod_pipeline.recipe.show import recipe_schema, recipe_yaml

__all__ = [
    "Chain",
    "DrumRanges",
    "GroovePatterns",
    "Humanise",
    "LoopRanges",
    "RandomPatterns",
    "Recipe",
    "RejectLimits",
    "SendRanges",
    "dump_decisive",
    "find_recipe",
    "load_recipe",
    "parse_recipe",
    "recipe_digest",
    "recipe_names",
    "recipe_schema",
    "recipe_yaml",
    "resolve_recipe",
]
