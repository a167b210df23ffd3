"""Define the schedule that all trainings of networks share, and what each of their recipes has."""

from __future__ import annotations

from typing import Any, Literal, Protocol, Self

from pydantic import Field, ValidationError, model_validator

from rmod_pipeline.distributions import Strict


class TrainingSchedule(Strict):
    """Batch size, learning rate, length and validation of a training."""

    batch: int = Field(default=16, ge=1, description="Pairs per step.")
    learning_rate: float = Field(default=1e-4, gt=0, description="Highest learning rate, reached after the warm-up.")
    steps: int = Field(ge=1, description="Largest number of training steps.")
    warm_up_steps: int = Field(default=0, ge=0, description="Steps until the learning rate is highest.")
    final_rate: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the learning rate at the end of the cosine decay; 1 keeps it constant.",
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Decoupled weight decay, as in AdamW.")
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw",
        description="muon updates the matrices of the layers by orthogonal steps at 20 times the learning rate, and "
        "all other weights by adamw.",
    )
    clip: float = Field(default=1.0, gt=0, description="Largest gradient norm; larger gradients are scaled down to it.")
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="bf16 is mixed precision: weights stay in fp32."
    )
    check_every_steps: int = Field(
        default=1000, ge=1, description="Steps between two validations; each writes a checkpoint."
    )
    patience: int | None = Field(
        default=15, ge=1, description="Stop after this number of validations without improvement; null never stops."
    )

    @model_validator(mode="after")
    def _check_warm_up(self) -> TrainingSchedule:
        if self.warm_up_steps >= self.steps:
            raise ValueError(f"warm_up_steps ({self.warm_up_steps}) must be below steps ({self.steps})")
        return self


class TrainingRecipe(Protocol):
    """What a training needs to know of its recipe, whatever the model."""

    @property
    def name(self) -> str:
        """The name in error messages."""

    @property
    def seed(self) -> int:
        """The seed of first weights and of random numbers."""

    @property
    def schedule(self) -> TrainingSchedule:
        """Batch size, learning rate, length and validation."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return the content as pydantic does."""

    @classmethod
    def model_validate(cls, obj: Any) -> Self:
        """Read a recipe as pydantic does; raises ValidationError."""


def renew_recipe(content: Any, recipe: TrainingRecipe) -> Any:
    """Return the JSON of a stored recipe with today's keys, those of ``recipe``; what is no recipe stays as it is."""
    try:
        return type(recipe).model_validate(content).model_dump(mode="json")
    except ValidationError:
        return content
