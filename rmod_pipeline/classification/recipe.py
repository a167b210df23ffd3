"""Define and find the recipe of a classifier of one-shots: size, variation, loss, schedule. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rmod_pipeline.distributions import Strict
from rmod_pipeline.errors import MAX_SEED
from rmod_pipeline.recipe import Chain
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.load import load_yaml_by_kind
from rmod_pipeline.recipe.schedule import TrainingSchedule

FOLDER = "classifier"
SHIPPED = "sounds"
"""The recipe of the classifier that rmod ships."""

Chance = Annotated[float, Field(ge=0, le=1)]


class ClassifierSize(Strict):
    """The size of the network. Windows and bands must be those of the features."""

    windows: int = Field(default=2, ge=1, le=8, description="Window lengths of the log-mel spectrogram.")
    bands: int = Field(default=64, ge=16, le=512, description="Mel bands per window.")
    channels: tuple[int, ...] = Field(
        default=(24, 48, 96, 128), min_length=2, max_length=6, description="Channels per layer; each halves the bands."
    )
    width: int = Field(default=192, ge=8, le=4096, description="Channels of a frame of the sound.")
    embedding: int = Field(default=128, ge=2, le=4096, description="Length of an embedding.")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Share of the pooled values that training drops.")
    seconds: float = Field(default=3.0, gt=0, le=30, description="The beginning of a sound that is heard.")

    @model_validator(mode="after")
    def _check_channels(self) -> ClassifierSize:
        if self.bands % 2 ** len(self.channels):
            raise ValueError(f"{len(self.channels)} layers halve the bands, but {self.bands} bands do not allow it")
        return self


class SoundVariation(Strict):
    """How training sounds are varied, so that a few kits sound like many more. Every copy draws its own values."""

    copies: int = Field(default=8, ge=0, le=1000, description="Varied copies per sound, beside the sound itself.")
    synthesised_copies: int = Field(default=2, ge=0, le=1000, description="The same of each synthesised sound.")
    semitones: float = Field(default=4.0, ge=0, le=24, description="Largest change of speed, up or down.")
    pitched_semitones: float = Field(
        default=1.5,
        ge=0,
        le=24,
        description="The same for toms, congas and bongos, whose pitch is part of what they are.",
    )
    layer: Chance = Field(default=0.2, description="Chance of a second sound of the same class and kit under it.")
    layer_db: tuple[float, float] = Field(default=(-15.0, -3.0), description="Level of that sound.")
    effects: Chain = Field(default=(), description="Effects, in order, as in the recipes of data sets.")
    room: Chain = Field(default=(), description="Effects of a room, which is added to the sound.")
    room_chance: Chance = Field(default=0.25, description="Chance of a room.")
    room_db: tuple[float, float] = Field(default=(-18.0, -2.0), description="Level of the room relative to the sound.")
    noise: Chance = Field(default=0.3, description="Chance of white noise.")
    noise_db: tuple[float, float] = Field(
        default=(-75.0, -40.0), description="Level of the noise relative to the peak."
    )
    mp3: Chance = Field(default=0.1, description="Chance of a lossy codec, MP3 at a low bit rate.")


class ClassifierLossSettings(Strict):
    """The loss, and the changes of levels that training makes."""

    smoothing: float = Field(default=0.05, ge=0, lt=1, description="Part of the loss that asks for all classes alike.")
    averaging: float = Field(
        default=0.99, ge=0, lt=1, description="The model is a running mean of weights over 1 / (1 - averaging) steps."
    )
    balance: float = Field(
        default=0.5, ge=0, le=1, description="0: every sound is drawn equally often; 1: every class is."
    )
    gain_db: float = Field(default=6.0, ge=0, le=40, description="Largest random change of level.")
    tilt_db: float = Field(
        default=4.0, ge=0, le=40, description="Largest random change of level at both ends of the bands."
    )
    masked_bands: int = Field(default=8, ge=0, le=64, description="Most neighbouring bands that are silenced.")
    lengths: tuple[float, ...] = Field(
        default=(0.5, 1.0, 3.0),
        min_length=1,
        description="Seconds at which sounds are cut; each batch draws one.",
    )


class ClassifierRecipe(Strict):
    """All that defines a classifier and its training."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="Name of the recipe; stored in every checkpoint.")
    description: str = Field(default="", description="Purpose of the recipe.")
    seed: int = Field(
        default=0, ge=0, le=MAX_SEED, description="Seed of the first weights, the copies and their order."
    )
    model: ClassifierSize = Field(default_factory=ClassifierSize)
    synthesised: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Synthesised sounds per class and subkind, beside those of the libraries.",
    )
    variation: SoundVariation = Field(default_factory=SoundVariation)
    loss: ClassifierLossSettings = Field(default_factory=ClassifierLossSettings)
    accuracy: float = Field(
        default=0.95, gt=0, lt=1, description="Accuracy on the valid split that answers above the threshold have."
    )
    schedule: TrainingSchedule


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
