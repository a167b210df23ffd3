"""Define the recipes of an ear: size, losses and schedule. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rmod_pipeline.distributions import Strict
from rmod_pipeline.errors import MAX_SEED
from rmod_pipeline.recipe.schedule import TrainingSchedule
from rmod_pipeline.storage.naming import NAME

Instrument = Annotated[str, Field(pattern=NAME)]


class EarSize(Strict):
    """The size of an ear. Windows and bands must be those of the features."""

    windows: int = Field(default=2, ge=1, le=8, description="Window lengths of the log-mel spectrogram.")
    bands: int = Field(default=64, ge=16, le=512, description="Mel bands per window.")
    channels: tuple[int, ...] = Field(
        default=(16, 24, 32, 48), min_length=1, description="Channels of the maps; each layer halves the bands."
    )
    width: int = Field(default=96, ge=8, le=4096, description="Channels of a frame of the mixture.")
    layers: int = Field(default=4, ge=1, le=12, description="Dilated layers over time.")
    describer_width: int = Field(default=256, ge=8, le=4096, description="Channels of a frame of the description.")
    describer_layers: int = Field(default=4, ge=1, le=12, description="Layers of the description.")
    description_frames: int = Field(default=24, ge=1, le=345, description="Frames of a one-shot that are described.")
    embedding: int = Field(default=64, ge=2, le=1024, description="Length of an embedding.")
    spectrum: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Patterns per class whose sum is the spectrum that a one-shot is expected to have, by which sounds "
        "are picked. 0: none, as in ears of earlier versions.",
    )

    @model_validator(mode="after")
    def _check_channels(self) -> EarSize:
        if self.bands % 2 ** len(self.channels):
            raise ValueError(
                f"{len(self.channels)} layers of maps halve the bands, but {self.bands} bands do not allow it"
            )
        return self


class EarLossSettings(Strict):
    """The weights of the losses."""

    hits: float = Field(default=10.0, ge=0, le=1000, description="Weight of the hits.")
    description: float = Field(default=10.0, ge=0, le=1000, description="Weight of the description.")
    spectrum: float = Field(default=4.0, ge=0, le=1000, description="Weight of the spectrum.")
    contrast: float = Field(default=0.3, ge=0, le=1000, description="Weight of the contrast within a class.")
    temperature: float = Field(default=0.1, gt=0, le=10, description="Temperature of the contrast.")
    heard: float = Field(
        default=0.5, ge=0, le=1, description="Share of descriptions that training makes of heard hits, not known ones."
    )
    gain_steps: int = Field(
        default=16,
        ge=0,
        le=100,
        description="Training mixtures are louder or softer by up to this many steps of levels.",
    )


class EarRecipe(Strict):
    """All that defines an ear and its training."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="Name of the recipe; stored in every checkpoint.")
    description: str = Field(default="", description="Purpose of the recipe.")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="Seed of the first weights and of the order of pairs.")
    instruments: tuple[Instrument, ...] = Field(
        default=("kick", "snare", "hihat"), min_length=1, description="Kinds of one-shot to hear."
    )
    most_hits: int = Field(default=40, ge=1, le=1024, description="Hits per mixture and instrument that are used.")
    model: EarSize = Field(default_factory=EarSize)
    loss: EarLossSettings = Field(default_factory=EarLossSettings)
    schedule: TrainingSchedule

    @model_validator(mode="after")
    def _check_instruments(self) -> EarRecipe:
        if len(set(self.instruments)) < len(self.instruments):
            raise ValueError(f"an instrument is listed twice: {', '.join(self.instruments)}")
        return self
