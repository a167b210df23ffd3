"""Define DOSE recipes: model size, loss, instruments and training schedule. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rmod_pipeline.codec.window import target_frames
from rmod_pipeline.distributions import Strict
from rmod_pipeline.errors import MAX_SEED
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.load import load_yaml_as
from rmod_pipeline.recipe.schedule import TrainingSchedule
from rmod_pipeline.storage.folders import shipped_folder
from rmod_pipeline.storage.naming import NAME

FOLDER = "dose"
"""The folder of DOSE recipes, inside that of all recipes."""

OLD_CONDITIONS = ("delayed", "aligned")
"""Values of ``condition`` when it named the layout of the tokens; recipes and checkpoints may still have them."""

Instrument = Annotated[str, Field(pattern=NAME)]
Frames = Annotated[int, Field(ge=1, le=4096)]


class ModelSize(Strict):
    """The size of a model. Codebooks, codebook size and condition frames must be those of the codec's tokens."""

    layers: int = Field(default=10, ge=1, le=100, description="Transformer layers.")
    width: int = Field(
        default=1024, ge=2, le=16_384, description="Channels of a hidden state; even, and a multiple of heads."
    )
    heads: int = Field(default=16, ge=1, le=256, description="Attention heads.")
    feed_forward: int = Field(default=4096, ge=1, le=65_536, description="Channels inside a feed-forward layer.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of channels that training drops.")
    attention_dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Share of attention weights that training drops; null is the value of dropout. With 0, a step on a "
        "CPU is much faster.",
    )
    condition_dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the mixture's codes or levels that training drops, so that few mixtures are not "
        "memorised.",
    )
    history_dropout: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Up to this share of a one-shot's earlier codes is dropped in training, so that the model uses the "
        "mixture.",
    )
    codebooks: int = Field(default=9, ge=1, le=64, description="Codebooks per token frame.")
    codebook_size: int = Field(default=1024, ge=2, le=65_535, description="Entries per codebook.")
    condition_frames: Frames = Field(default=345, description="Token frames of a mixture: 4 s at 44.1 kHz are 345.")
    condition: Literal["tokens", "mel", "ear"] = Field(
        default="tokens",
        description="What the model is given of a mixture. tokens: its tokens, as in the paper. mel: its log-mel "
        "levels. ear: the levels too, and for each frame of a one-shot what sounds that long after the heard hits.",
    )
    layout: Literal["delayed", "aligned"] = Field(
        default="delayed",
        description="Layout of a mixture's tokens: delayed, as in the paper and as for one-shots, or aligned, with all "
        "codes of a frame in one row. Levels always have a row per frame.",
    )
    hits_known: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="With condition: ear, the share of one-shots for which training uses the known hits instead of "
        "the heard ones.",
    )
    positions: Literal["sinusoids", "rotary"] = Field(
        default="sinusoids",
        description="How positions are encoded: sinusoids added to the embeddings, or rotated queries and keys, whose "
        "product depends on the distance of two rows only (RoPE).",
    )
    reference_compatible: bool = Field(
        default=False,
        description="Compute as the published code, for its checkpoints: without positions, codebook 0 added twice.",
    )

    @property
    def vocabulary(self) -> int:
        """Number of tokens per codebook: its entries, and 0 for no code."""
        return self.codebook_size + 1

    @model_validator(mode="before")
    @classmethod
    def _read_old_condition(cls, content: Any) -> Any:
        """Read the key ``condition`` of older recipes, in which it named the layout."""
        if isinstance(content, Mapping) and content.get("condition") in OLD_CONDITIONS and "layout" not in content:
            return {("layout" if name == "condition" else name): value for name, value in content.items()}
        return content

    @model_validator(mode="after")
    def _check_width(self) -> ModelSize:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"the width {self.width} must be even and a multiple of the {self.heads} heads")
        if self.positions == "rotary" and self.width // self.heads % 2:
            found = f"{self.heads} heads of {self.width // self.heads} channels"
            raise ValueError(f"rotary positions rotate pairs of channels, but there are {found}: set an even number")
        return self

    @model_validator(mode="after")
    def _check_reference(self) -> ModelSize:
        published = (self.positions, self.layout, self.condition) == ("sinusoids", "delayed", "tokens")
        if self.reference_compatible and not published:
            raise ValueError(
                "the published model has no positions and a condition of delayed tokens: leave positions, layout and "
                "condition out"
            )
        return self


class LossSettings(Strict):
    """What the loss counts, and how much."""

    onset: float = Field(default=1.0, ge=0, le=1000, description="Weight of the onset loss; 0 disables it.")
    tail: Literal["learned", "masked"] = Field(
        default="learned",
        description="Codes after the true end of a one-shot: learned as silence, or masked (left out of the loss).",
    )


class DoseSchedule(TrainingSchedule):
    """The schedule of a DOSE training."""

    begin: Literal["noise", "codebooks"] = Field(
        default="noise",
        description="First weights of embeddings and head: noise, or the codec's codebooks, so that codes that sound "
        "alike start with similar weights.",
    )


class DoseRecipe(Strict):
    """All that defines a DOSE model and its training."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="Name of the recipe; stored in every checkpoint.")
    description: str = Field(default="", description="Purpose of the recipe.")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="Seed of the first weights and of the order of pairs.")
    instruments: tuple[Instrument, ...] = Field(
        default=("kick", "snare", "hihat"), min_length=1, description="Kinds of one-shot to extract."
    )
    one_model: bool = Field(
        default=False,
        description="Train one model for all instruments, which is given the class to extract; else one model each.",
    )
    target_frames: Mapping[Instrument, Frames] = Field(
        default_factory=dict,
        description="Token frames of a one-shot by instrument, where they differ from the paper's.",
    )
    model: ModelSize = Field(default_factory=ModelSize)
    loss: LossSettings = Field(default_factory=LossSettings)
    schedule: DoseSchedule

    @model_validator(mode="after")
    def _check_instruments(self) -> DoseRecipe:
        if len(set(self.instruments)) < len(self.instruments):
            raise ValueError(f"an instrument is listed twice: {', '.join(self.instruments)}")
        for name in self.target_frames:
            if name not in self.instruments:
                raise ValueError(f"target_frames.{name}: no such instrument; there are {', '.join(self.instruments)}")
        if self.one_model and self.model.reference_compatible:
            raise ValueError(
                "the published model has no classes: one_model and reference_compatible exclude each other"
            )
        return self

    @property
    def models(self) -> tuple[tuple[str, ...], ...]:
        """The models to train, each as the tuple of its instruments."""
        return (self.instruments,) if self.one_model else tuple((name,) for name in self.instruments)

    def frames(self, instrument: str) -> int:
        """Return the number of token frames of an instrument's one-shots."""
        return target_frames(instrument, self.target_frames)


def load_dose_recipe(name: str) -> DoseRecipe:
    """Read a DOSE recipe from a path, or by the name of one that ships with rmod. Raises RecipeError."""
    return load_yaml_as(DoseRecipe, find_recipe(name, FOLDER), shipped_folder("recipes") / FOLDER / "tiny.yaml")
