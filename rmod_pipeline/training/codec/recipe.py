"""What a codec's recipe may say: its shape, its sounds, its losses, how long it is trained."""

from __future__ import annotations

from pydantic import Field, model_validator

from rmod_pipeline.codec.spectral_distance import WINDOWS
from rmod_pipeline.distributions import Strict
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.load import load_yaml_as

FOLDER = "codec"
"""Codecs' recipes lie in a folder of their own below the others."""


class CodecShape(Strict):
    """The arguments of ``dac.DAC``. Rates, codebooks and sample rate decide what tokens look like."""

    encoder_dim: int = Field(default=8, ge=2, le=512, description="Channels at full rate; doubled at every stride.")
    encoder_rates: tuple[int, ...] = Field(default=(2, 4, 8, 8), description="Strides; their product is the hop.")
    latent_dim: int = Field(default=64, ge=4, le=4096, description="Channels between encoder and decoder.")
    decoder_dim: int = Field(default=192, ge=16, le=8192, description="Channels at the hop's rate; halved at a stride.")
    decoder_rates: tuple[int, ...] = Field(default=(8, 8, 4, 2), description="The encoder's strides, backwards.")
    n_codebooks: int = Field(default=9, ge=1, le=64, description="Residual codebooks, one token each a frame.")
    codebook_size: int = Field(default=1024, ge=2, le=65536, description="Entries of a codebook.")
    codebook_dim: int = Field(default=8, ge=1, le=256, description="Channels in which an entry is looked up.")
    quantizer_dropout: float = Field(
        default=0.5, ge=0, le=1, description="Share of a batch that is decoded from its first codebooks only."
    )
    sample_rate: int = Field(default=44_100, ge=8_000, le=192_000, description="In Hz.")

    @model_validator(mode="after")
    def _rates_agree(self) -> CodecShape:
        if self.decoder_rates != self.encoder_rates[::-1]:
            raise ValueError(f"decoder_rates must be encoder_rates backwards: {list(self.encoder_rates[::-1])}")
        return self


class CodecSounds(Strict):
    """What the codec hears."""

    licences: tuple[str, ...] = Field(min_length=1, description="Sounds under any other licence are left out.")
    mixes: dict[str, int] = Field(description="Mixtures to render from every library, by recipe.")
    held_out_mixes: int = Field(default=8, ge=1, description="Mixtures of the valid split, by recipe and library.")
    one_shot_share: float = Field(default=0.5, ge=0, le=1, description="Share of crops that are taken from one-shots.")
    crop_frames: int = Field(default=16_384, ge=512, description="Length of a crop; a multiple of the hop.")
    gain_db: tuple[float, float] = Field(default=(-12.0, 3.0), description="Range of the level change of a crop.")


class CodecLossWeights(Strict):
    """What every part of the loss weighs."""

    mel: float = Field(default=10.0, ge=0, description="Mean over windows of the distance of log mel spectrograms.")
    mel_begins: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of `mel` at first: it cares for no phase, which is learned first or never.",
    )
    mel_full: float = Field(
        default=0.5, gt=0, le=1, description="Share of the training from which `mel` counts in full."
    )
    waveform: float = Field(default=10.0, ge=0, description="Logarithm of the error's share of a crop's energy.")
    spectral: float = Field(default=0.0, ge=0, description="Squared difference of log spectra, attacks included.")
    codebook: float = Field(default=1.0, ge=0, description="Pulls codebooks to what is encoded.")
    commitment: float = Field(default=5.0, ge=0, description="Pulls what is encoded to the codebooks.")
    adversarial: float = Field(default=0.0, ge=0, description="DAC's discriminators; 0 is without, as suits a CPU.")
    feature: float = Field(default=0.0, ge=0, description="Distance of the discriminators' features.")
    windows: tuple[int, ...] = Field(default=(128, 512, 2048), description="Windows of the mel spectrograms.")
    mels: tuple[int, ...] = Field(default=(10, 40, 150), description="Mel bands for each window.")

    @model_validator(mode="after")
    def _a_band_count_a_window(self) -> CodecLossWeights:
        if len(self.windows) != len(self.mels):
            raise ValueError(f"{len(self.windows)} windows, but {len(self.mels)} numbers of mels")
        return self


class CodecSchedule(Strict):
    """How long, and how fast. A budget in minutes fits any machine; one in steps can be repeated."""

    minutes: float | None = Field(default=None, gt=0, description="Time to train, over all runs that went on.")
    steps: int | None = Field(default=None, ge=1, description="Steps to train, instead of minutes.")
    batch: int = Field(default=4, ge=1, description="Crops in a step.")
    learning_rate: float = Field(default=1e-3, gt=0, description="At its highest, after the warm-up.")
    warm_up_steps: int = Field(default=200, ge=1, description="Steps until then.")
    final_rate: float = Field(
        default=0.03, ge=0, le=1, description="Share of the learning rate that is left at the end."
    )
    average: float = Field(default=0.998, ge=0, lt=1, description="How slowly the kept weights follow; 0 is at once.")
    free: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the training before the codebooks are fitted and come in."
    )
    fits: int = Field(default=4, ge=1, description="How often the codebooks are fitted, from `free` to `settled`.")
    settled: float = Field(
        default=0.7, gt=0, lt=1, description="Share of the training after which none is fitted again."
    )
    check_minutes: float = Field(default=4.0, gt=0, description="Minutes between checkpoints and held-out losses.")

    @model_validator(mode="after")
    def _one_budget(self) -> CodecSchedule:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give either `minutes` or `steps`")
        if self.settled <= self.free:
            raise ValueError(f"`settled` ({self.settled}) must be above `free` ({self.free})")
        return self

    def fits_by(self, share: float) -> int:
        """Return how often the codebooks are to have been fitted when ``share`` of the training is over."""
        every = (self.settled - self.free) / max(self.fits - 1, 1)
        return 0 if share < self.free else min(1 + int((share - self.free) / every + 1e-9), self.fits)


class CodecRecipe(Strict):
    """How a codec is made."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="The codec's name; a hash of its weights is added.")
    version: str = Field(default="1", description="Goes up when the shipped weights change.")
    description: str = Field(default="", description="What it is for.")
    seed: int = Field(default=0, ge=0, description="Of weights, material and crops.")
    shape: CodecShape = Field(default_factory=CodecShape)
    sounds: CodecSounds
    losses: CodecLossWeights = Field(default_factory=CodecLossWeights)
    schedule: CodecSchedule

    @model_validator(mode="after")
    def _crops_hold_a_window(self) -> CodecRecipe:
        half = max([*self.losses.windows, *(WINDOWS if self.losses.spectral else ())]) // 2
        if self.sounds.crop_frames <= half:
            found = f"sounds.crop_frames is {self.sounds.crop_frames}"
            raise ValueError(f"{found}, but the losses' largest window takes more than {half}")
        return self


def load_codec_recipe(name: str) -> CodecRecipe:
    """Read a codec's recipe: a path, or the name of one that comes with rmod. Raises RecipeError."""
    return load_yaml_as(CodecRecipe, find_recipe(name, FOLDER), "recipes/codec/mini.yaml")


def with_minutes(recipe: CodecRecipe, minutes: float | None) -> CodecRecipe:
    """Return the recipe with another budget; the same one without."""
    if minutes is None:
        return recipe
    schedule = recipe.schedule.model_copy(update={"minutes": minutes, "steps": None})
    return recipe.model_copy(update={"schedule": schedule})
