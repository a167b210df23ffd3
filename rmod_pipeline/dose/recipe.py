"""What a DOSE recipe may say: the model's size, its loss, what it extracts, how it is trained. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rmod_pipeline.codec.window import target_frames
from rmod_pipeline.distributions import Strict
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.load import load_yaml_as
from rmod_pipeline.storage.naming import NAME

FOLDER = "dose"
"""DOSE recipes lie in a folder of their own below the others."""

Instrument = Annotated[str, Field(pattern=NAME)]
Frames = Annotated[int, Field(ge=1, le=4096)]


class ModelSize(Strict):
    """The shape of a transformer. Codebooks, their size and the condition's frames are those of the codec's tokens."""

    layers: int = Field(default=10, ge=1, le=100, description="Blocks.")
    width: int = Field(default=1024, ge=2, le=16_384, description="Channels of a row; a multiple of heads, and even.")
    heads: int = Field(default=16, ge=1, le=256, description="Heads of attention.")
    feed_forward: int = Field(default=4096, ge=1, le=65_536, description="Channels inside a block's feed-forward part.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of channels that is left out in training.")
    attention_dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Share of attention left out; null is as dropout. With 0, a step on a CPU is much faster.",
    )
    condition_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the mixture's codes left out in training: against learning few mixtures by heart.",
    )
    history_dropout: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Up to this share of a one-shot's earlier codes is left out in training, so that it listens.",
    )
    codebooks: int = Field(default=9, ge=1, le=64, description="Codebooks of a token frame.")
    codebook_size: int = Field(default=1024, ge=2, le=65_535, description="Entries of a codebook.")
    condition_frames: Frames = Field(default=345, description="Token frames of a mixture: 4 s at 44.1 kHz are 345.")
    condition: Literal["delayed", "aligned"] = Field(
        default="delayed",
        description="The mixture's rows: delayed, as the paper and as the one-shot's, or aligned, all codes of a frame "
        "in one row.",
    )
    positions: Literal["sinusoids", "rotary"] = Field(
        default="sinusoids",
        description="How places are told: added to the rows, or by turning queries and keys, so that it counts how far "
        "apart two rows are and not where they are (RoPE).",
    )
    reference_compatible: bool = Field(
        default=False,
        description="The arithmetic of the published code, for its checkpoints: no positions, codebook 0 summed twice.",
    )

    @property
    def vocabulary(self) -> int:
        """Tokens of a codebook: its entries, and 0 for none."""
        return self.codebook_size + 1

    @model_validator(mode="after")
    def _divisible(self) -> ModelSize:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"the width {self.width} must be even and a multiple of the {self.heads} heads")
        if self.positions == "rotary" and self.width // self.heads % 2:
            found = f"{self.heads} heads of {self.width // self.heads} channels"
            raise ValueError(f"rotary positions turn channels in pairs, and there are {found}: set an even number")
        if self.reference_compatible and (self.positions == "rotary" or self.condition == "aligned"):
            found = "no positions, and a condition that is delayed"
            raise ValueError(f"the published model knows {found}: leave positions and condition out")
        return self


class LossSettings(Strict):
    """What the model is to be good at."""

    onset: float = Field(default=1.0, ge=0, le=1000, description="Weight of the onset loss; 0 is without it.")
    tail: Literal["learned", "masked"] = Field(
        default="learned",
        description="Codes after a one-shot's true end: learned, as silence, or masked, so that nothing is learned.",
    )


class DoseSchedule(Strict):
    """How long, and how fast."""

    batch: int = Field(default=16, ge=1, description="Pairs in a step.")
    learning_rate: float = Field(default=1e-4, gt=0, description="At its highest, after the warm-up.")
    steps: int = Field(ge=1, description="Steps to train at most.")
    warm_up_steps: int = Field(default=0, ge=0, description="Steps until the learning rate is at its highest.")
    final_rate: float = Field(
        default=1.0, ge=0, le=1, description="Share of the learning rate left at the end, by a cosine; 1 is constant."
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Share of the weights taken off a step, as in AdamW.")
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw",
        description="muon moves the blocks' matrices by orthogonal steps, at 20 times the learning rate; all else is "
        "moved by adamw.",
    )
    begin: Literal["noise", "codebooks"] = Field(
        default="noise",
        description="The first weights of tokens and head: noise, or the codec's codebooks, so that codes that sound "
        "alike are alike from the start.",
    )
    clip: float = Field(default=1.0, gt=0, description="The steepest grad_norm that a step follows.")
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="bf16 is mixed: weights stay in fp32.")
    check_every_steps: int = Field(default=1000, ge=1, description="Steps between validations, each with a checkpoint.")
    patience: int | None = Field(
        default=15, ge=1, description="Validations without a better one until training ends; null is never."
    )

    @model_validator(mode="after")
    def _warm_before_the_end(self) -> DoseSchedule:
        if self.warm_up_steps >= self.steps:
            raise ValueError(f"warm_up_steps ({self.warm_up_steps}) must be below steps ({self.steps})")
        return self


class DoseRecipe(Strict):
    """How a DOSE model is made."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="The recipe's name, part of every checkpoint.")
    description: str = Field(default="", description="What it is for.")
    seed: int = Field(default=0, ge=0, description="Of weights and of the order of pairs.")
    instruments: tuple[Instrument, ...] = Field(
        default=("kick", "snare", "hihat"), min_length=1, description="The kinds of one-shot to extract."
    )
    one_model: bool = Field(
        default=False, description="One model for all instruments, which is told which; else one model for each."
    )
    target_frames: Mapping[Instrument, Frames] = Field(
        default_factory=dict, description="Token frames of a one-shot by instrument, where not the paper's."
    )
    model: ModelSize = Field(default_factory=ModelSize)
    loss: LossSettings = Field(default_factory=LossSettings)
    schedule: DoseSchedule

    @model_validator(mode="after")
    def _instruments_agree(self) -> DoseRecipe:
        if len(set(self.instruments)) < len(self.instruments):
            raise ValueError(f"an instrument stands twice: {', '.join(self.instruments)}")
        for name in self.target_frames:
            if name not in self.instruments:
                raise ValueError(f"target_frames.{name}: no such instrument; there are {', '.join(self.instruments)}")
        if self.one_model and self.model.reference_compatible:
            raise ValueError("the published model knows no classes: one_model and reference_compatible exclude another")
        return self

    @property
    def models(self) -> tuple[tuple[str, ...], ...]:
        """The models to train, each by its instruments."""
        return (self.instruments,) if self.one_model else tuple((name,) for name in self.instruments)

    def frames(self, instrument: str) -> int:
        """Return the token frames of an instrument's one-shots."""
        return target_frames(instrument, self.target_frames)


def load_dose_recipe(name: str) -> DoseRecipe:
    """Read a DOSE recipe: a path, or the name of one that comes with rmod. Raises RecipeError."""
    return load_yaml_as(DoseRecipe, find_recipe(name, FOLDER), "recipes/dose/tiny.yaml")
