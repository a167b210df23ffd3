"""Define codec recipes: shape, sounds, losses and training schedule."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rmod_pipeline.codec.spectral.transform import count_low
from rmod_pipeline.codec.spectral_distance import WINDOWS
from rmod_pipeline.distributions import Strict
from rmod_pipeline.errors import MAX_SEED
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.load import load_yaml_as
from rmod_pipeline.storage.folders import shipped_folder

FOLDER = "codec"
"""The folder of codec recipes, inside that of all recipes."""


class TokenShape(Strict):
    """What decides the shape of tokens in any codec, beside the hop."""

    n_codebooks: int = Field(default=9, ge=1, le=64, description="Residual codebooks; each gives one token per frame.")
    codebook_size: int = Field(default=1024, ge=2, le=65536, description="Entries per codebook.")
    codebook_dim: int = Field(
        default=8, ge=1, le=256, description="Channels of the vectors in which entries are looked up."
    )
    quantizer_dropout: float = Field(
        default=0.5, ge=0, le=1, description="Share of a batch that is decoded from the first codebooks only."
    )
    sample_rate: int = Field(default=44_100, ge=8_000, le=192_000, description="Sample rate in Hz.")


class CodecShape(TokenShape):
    """The arguments of ``dac.DAC``. Rates, codebooks and sample rate decide the shape of tokens."""

    encoder_dim: int = Field(
        default=8, ge=2, le=512, description="Channels at the sample rate; each stride doubles them."
    )
    encoder_rates: tuple[int, ...] = Field(default=(2, 4, 8, 8), description="Strides; their product is the hop.")
    latent_dim: int = Field(default=64, ge=4, le=4096, description="Channels between encoder and decoder.")
    decoder_dim: int = Field(
        default=192, ge=16, le=8192, description="Channels at the frame rate; each stride halves them."
    )
    decoder_rates: tuple[int, ...] = Field(default=(8, 8, 4, 2), description="Strides of the encoder in reverse order.")

    @model_validator(mode="after")
    def _check_rates(self) -> CodecShape:
        if self.decoder_rates != self.encoder_rates[::-1]:
            raise ValueError(f"decoder_rates must be encoder_rates in reverse order: {list(self.encoder_rates[::-1])}")
        return self


class SpectralShape(TokenShape):
    """The arguments of rmod's own network, whose layers run on spectra at the rate of the tokens."""

    architecture: Literal["spectral"] = Field(description="Names this network; without it, the shape is of a dac.DAC.")
    hop: int = Field(default=512, ge=8, le=16_384, multiple_of=8, description="Samples per token frame.")
    encoder_width: int = Field(default=256, ge=8, le=4096, description="Channels of the encoder.")
    encoder_blocks: int = Field(default=4, ge=0, le=64, description="Blocks of the encoder.")
    latent_dim: int = Field(default=64, ge=32, le=4096, description="Channels between encoder and decoder.")
    decoder_width: int = Field(default=288, ge=8, le=4096, description="Channels of the decoder at the frame rate.")
    decoder_blocks: int = Field(default=4, ge=0, le=64, description="Blocks of the decoder at the frame rate.")
    step_width: int = Field(default=160, ge=8, le=4096, description="Channels of the decoder at four times that rate.")
    step_blocks: int = Field(default=4, ge=0, le=64, description="Blocks of the decoder at four times that rate.")

    @model_validator(mode="after")
    def _check_latents(self) -> SpectralShape:
        low = count_low(self.hop, self.sample_rate)
        if self.latent_dim <= low:
            raise ValueError(
                f"latent_dim is {self.latent_dim}, the waveform alone takes {low}: give more, or a shorter hop"
            )
        return self


class CodecSounds(Strict):
    """The sounds that the codec is trained on."""

    licences: tuple[str, ...] = Field(
        min_length=1, description="Licences to use; sounds under other licences are skipped."
    )
    mixes: dict[str, int] = Field(description="Number of mixtures to render from each library, by recipe.")
    held_out_mixes: int = Field(default=8, ge=1, description="Mixtures of the valid split per recipe and library.")
    one_shot_share: float = Field(default=0.5, ge=0, le=1, description="Share of crops that are cut from one-shots.")
    crop_frames: int = Field(default=16_384, ge=512, description="Length of a crop in samples; a multiple of the hop.")
    gain_db: tuple[float, float] = Field(default=(-12.0, 3.0), description="Range of the random gain of a crop.")


class CodecLossWeights(Strict):
    """The weight of each part of the loss."""

    mel: float = Field(default=10.0, ge=0, description="Distance of log mel spectrograms, averaged over windows.")
    mel_begins: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the weight `mel` at the start. It ignores phase, which is learned early or never.",
    )
    mel_full: float = Field(
        default=0.5, gt=0, le=1, description="Share of the training after which `mel` has its full weight."
    )
    waveform: float = Field(default=10.0, ge=0, description="Log of the error's share of a crop's energy.")
    spectral: float = Field(default=0.0, ge=0, description="Squared difference of log spectra, including attacks.")
    codebook: float = Field(default=1.0, ge=0, description="Moves codebook entries towards the latents.")
    commitment: float = Field(default=5.0, ge=0, description="Moves latents towards the codebook entries.")
    adversarial: float = Field(
        default=0.0, ge=0, description="DAC's discriminators; 0 disables them, which suits a CPU."
    )
    feature: float = Field(default=0.0, ge=0, description="Distance of the discriminators' features.")
    windows: tuple[int, ...] = Field(default=(128, 512, 2048), description="Window sizes of the mel spectrograms.")
    mels: tuple[int, ...] = Field(default=(10, 40, 150), description="Mel bands of each window size.")

    @model_validator(mode="after")
    def _check_bands(self) -> CodecLossWeights:
        if len(self.windows) != len(self.mels):
            raise ValueError(f"{len(self.windows)} windows, but {len(self.mels)} numbers of mels")
        return self


class CodecSchedule(Strict):
    """Length and learning rate of a training. A budget in minutes suits any machine; one in steps is reproducible."""

    minutes: float | None = Field(default=None, gt=0, description="Training time, over all resumed runs.")
    steps: int | None = Field(default=None, ge=1, description="Training steps, instead of minutes.")
    batch: int = Field(default=4, ge=1, description="Crops per step.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Highest learning rate, reached after the warm-up.")
    warm_up_steps: int = Field(default=200, ge=1, description="Steps of the warm-up.")
    final_rate: float = Field(default=0.03, ge=0, le=1, description="Share of the learning rate at the end.")
    average: float = Field(
        default=0.998, ge=0, lt=1, description="Decay of the moving average of the weights; 0 keeps the latest weights."
    )
    free: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the training without codebooks, before their first fit."
    )
    fits: int = Field(default=4, ge=1, description="Number of codebook fits between `free` and `settled`.")
    settled: float = Field(
        default=0.7, gt=0, lt=1, description="Share of the training after which codebooks are not fitted again."
    )
    check_minutes: float = Field(
        default=4.0, gt=0, description="Minutes between checkpoints; each measures the held-out losses."
    )

    @model_validator(mode="after")
    def _check_budget(self) -> CodecSchedule:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give either `minutes` or `steps`")
        if self.settled <= self.free:
            raise ValueError(f"`settled` ({self.settled}) must be above `free` ({self.free})")
        return self

    def fits_by(self, share: float) -> int:
        """Return the number of codebook fits that are due after a ``share`` of the training."""
        every = (self.settled - self.free) / max(self.fits - 1, 1)
        return 0 if share < self.free else min(1 + int((share - self.free) / every + 1e-9), self.fits)


class CodecRecipe(Strict):
    """All that defines a codec and its training."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]*$", description="Name of the codec; a hash of its weights is appended."
    )
    version: str = Field(default="1", description="Version; increases when the shipped weights change.")
    description: str = Field(default="", description="Purpose of the codec.")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="Seed of weights, material and crops.")
    shape: SpectralShape | CodecShape = Field(default_factory=CodecShape)
    sounds: CodecSounds
    losses: CodecLossWeights = Field(default_factory=CodecLossWeights)
    schedule: CodecSchedule

    @model_validator(mode="after")
    def _check_crops(self) -> CodecRecipe:
        half = max([*self.losses.windows, *(WINDOWS if self.losses.spectral else ())]) // 2
        if self.sounds.crop_frames <= half:
            found = f"sounds.crop_frames is {self.sounds.crop_frames}"
            raise ValueError(f"{found}, but the losses' largest window needs more than {half}")
        if isinstance(self.shape, SpectralShape) and self.sounds.crop_frames % self.shape.hop:
            raise ValueError(
                f"sounds.crop_frames is {self.sounds.crop_frames}, no multiple of the hop {self.shape.hop}"
            )
        return self


def load_codec_recipe(name: str) -> CodecRecipe:
    """Read a codec recipe from a path, or by the name of one that ships with rmod. Raises RecipeError."""
    return load_yaml_as(CodecRecipe, find_recipe(name, FOLDER), shipped_folder("recipes") / FOLDER / "mini.yaml")


def with_minutes(recipe: CodecRecipe, minutes: float | None) -> CodecRecipe:
    """Return the recipe with a budget of ``minutes``; unchanged for None."""
    if minutes is None:
        return recipe
    schedule = recipe.schedule.model_copy(update={"minutes": minutes, "steps": None})
    return recipe.model_copy(update={"schedule": schedule})
