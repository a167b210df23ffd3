"""Distributions: what a recipe may write for a random value.

    ratio: 4                                   always 4
    ratio: [2, 10]                             uniform
    ratio: {uniform: [2, 10]}                  the same, spelled out
    hz: {log_uniform: [30, 200]}               uniform in the logarithm
    hits: {integers: [2, 4]}                   whole numbers, both ends included
    law: {choice: [linear, constant_power], weights: [1, 3]}
    velocity: {normal: [100, 3], clip: [1, 127]}

A recipe model declares a field as ``Annotated[Number, Within("dB", -80, 0)]``: the allowed forms, the unit, the limits.
A sampled float keeps six significant digits. That is precise enough for audio and short in JSON. Rounding also removes
the last bits, in which the logarithms of two C libraries differ, so that a spec is the same on every machine.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import nearest

Value = TypeVar("Value", bound=float | int | str)


class Strict(BaseModel):
    """Base of all parts of a recipe: an unknown key is an error, and a loaded recipe cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Distribution(Strict, ABC):
    """Base of all distributions of one random value."""

    @abstractmethod
    def sample(self, draw: Draw) -> Any:
        """Return the value that a stream gives."""

    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Return the smallest and the largest value; an unclipped normal distribution has infinite ends."""


def round_to_six_digits(value: float) -> float:
    """Return the value with six significant digits."""
    return float(f"{value:.6g}")


class Constant(Distribution):
    """Always the same number."""

    constant: float = Field(description="The number.")

    def sample(self, draw: Draw) -> float:  # noqa: ARG002
        """Return the number."""
        return round_to_six_digits(self.constant)

    def support(self) -> tuple[float, float]:
        """Return the number twice."""
        return self.constant, self.constant


def _check_order(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the range is out of order: {pair[0]:g} > {pair[1]:g}; write the smaller end first")
    return pair


Interval = tuple[float, float]
IntegerPair = tuple[int, int]
Range = Annotated[Interval, AfterValidator(_check_order)]
"""Two numbers, the smaller first."""
IntegerRange = Annotated[IntegerPair, AfterValidator(_check_order)]
"""Two whole numbers, the smaller first."""


class Uniform(Distribution):
    """All numbers between two ends are equally likely."""

    uniform: Range = Field(description="The two ends, the smaller first.")

    def sample(self, draw: Draw) -> float:
        """Return a number between the ends."""
        low, high = self.uniform
        return round_to_six_digits(low + (high - low) * draw.uniform())

    def support(self) -> tuple[float, float]:
        """Return the two ends."""
        return self.uniform


class LogUniform(Distribution):
    """Uniform in the logarithm: every octave within the range is equally likely."""

    log_uniform: Range = Field(description="The two ends, both above 0, the smaller first.")

    @model_validator(mode="after")
    def _positive(self) -> LogUniform:
        if self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform needs ends above 0, found {self.log_uniform[0]:g}")
        return self

    def sample(self, draw: Draw) -> float:
        """Return a number between the ends."""
        low, high = self.log_uniform
        value = round_to_six_digits(low * math.exp(math.log(high / low) * draw.uniform()))
        return min(max(value, low), high)

    def support(self) -> tuple[float, float]:
        """Return the two ends."""
        return self.log_uniform


class Integers(Distribution):
    """All whole numbers from the first to the last, both included, are equally likely."""

    integers: IntegerRange = Field(description="The first and the last whole number.")

    def sample(self, draw: Draw) -> int:
        """Return a whole number."""
        low, high = self.integers
        return low + draw.below(high - low + 1)

    def support(self) -> tuple[float, float]:
        """Return the first and the last number."""
        return self.integers


class Normal(Distribution):
    """A normal distribution with mean and standard deviation, clipped if ends are given."""

    normal: tuple[float, float] = Field(description="Mean and standard deviation.")
    clip: Range | None = Field(default=None, description="Values outside these two ends are moved to the nearer one.")

    @model_validator(mode="after")
    def _check_deviation(self) -> Normal:
        if self.normal[1] < 0:
            raise ValueError(f"the standard deviation is negative: {self.normal[1]:g}")
        return self

    def sample(self, draw: Draw) -> float:
        """Return a number, moved to the nearer end of ``clip`` if it lies outside."""
        mean, deviation = self.normal
        # Half a step above 0, because the inverse of the distribution at 0 is minus infinity.
        value = mean + deviation * NormalDist().inv_cdf(draw.uniform() + 2.0**-54)
        if self.clip:
            value = min(max(value, self.clip[0]), self.clip[1])
        return round_to_six_digits(value)

    def support(self) -> tuple[float, float]:
        """Return the ends of ``clip``; infinite ends without it, so that a field with limits requires it."""
        if self.clip:
            return self.clip
        mean, deviation = self.normal
        return (mean, mean) if deviation == 0 else (-math.inf, math.inf)


class Choice(Distribution, Generic[Value]):
    """One value of a list, with equal chances or with weights."""

    choice: tuple[Value, ...] = Field(min_length=1, description="The values to choose from.")
    weights: tuple[float, ...] | None = Field(
        default=None, description="One weight per value, 0 or more; without weights all values are equally likely."
    )

    @model_validator(mode="after")
    def _check_weights(self) -> Choice[Value]:
        if self.weights is None:
            return self
        if len(self.weights) != len(self.choice):
            raise ValueError(f"{len(self.choice)} values but {len(self.weights)} weights; write one weight per value")
        if min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError("weights must be 0 or more, and not all 0")
        return self

    def sample(self, draw: Draw) -> Value:
        """Return one of the values."""
        if self.weights is None:
            return draw.pick(self.choice)
        point = draw.uniform() * sum(self.weights)
        for value, cumulative in zip(self.choice, accumulate(self.weights), strict=True):
            if point < cumulative:
                return value
        return self.choice[-1]

    def support(self) -> tuple[float, float]:
        """Return the smallest and the largest value of a choice of numbers."""
        numbers = [float(value) for value in self.choice]
        return min(numbers), max(numbers)


def _expand_number(value: Any) -> Any:
    """Turn the two short forms, a number and a pair, into the long forms."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return {"constant": value}
    if isinstance(value, (list, tuple)):
        return {"uniform": value}
    return value


def _expand_integer(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"integers": [value, value]}
    if isinstance(value, (list, tuple)):
        return {"integers": value}
    return value


def _expand_word(value: Any) -> Any:
    return {"choice": [value]} if isinstance(value, str) else value


_FORMS = ("constant", "uniform", "log_uniform", "integers", "normal", "choice")


def _find_form(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, BaseModel) else ()
    return next((form for form in _FORMS if form in keys), None)


_FORM_ERROR: dict[str, str] = {
    "custom_error_type": "distribution",
    "custom_error_message": "not a random value: write a number, a pair [min, max], or one of "
    "{uniform: [a, b]}, {log_uniform: [a, b]}, {integers: [a, b]}, {choice: [...]}, {normal: [mean, deviation]}",
}

Number = Annotated[
    Annotated[Constant, Tag("constant")]
    | Annotated[Uniform, Tag("uniform")]
    | Annotated[LogUniform, Tag("log_uniform")]
    | Annotated[Integers, Tag("integers")]
    | Annotated[Normal, Tag("normal")]
    | Annotated[Choice[float], Tag("choice")],
    Discriminator(_find_form, **_FORM_ERROR),
    BeforeValidator(
        _expand_number,
        json_schema_input_type=float | Interval | Constant | Uniform | LogUniform | Integers | Normal | Choice[float],
    ),
]
"""A random number: written as a number, a pair, or one of the six long forms."""

Integer = Annotated[
    Annotated[Integers, Tag("integers")] | Annotated[Choice[int], Tag("choice")],
    Discriminator(_find_form, **_FORM_ERROR),
    BeforeValidator(_expand_integer, json_schema_input_type=int | IntegerPair | Integers | Choice[int]),
]
"""A random whole number: written as a number, a pair (both ends included), integers or choice."""

Word = Annotated[Choice[str], BeforeValidator(_expand_word, json_schema_input_type=str | Choice[str])]
"""A random word: written as a word, or as {choice: [...], weights: [...]}."""

Probability = Annotated[float, Field(ge=0, le=1)]
"""A probability from 0 (never) to 1 (always)."""


@dataclass(frozen=True)
class Within:
    """The unit and the limits of a field: ``Annotated[Number, Within("dB", -80, 0)]``."""

    unit: str
    least: float = -math.inf
    most: float = math.inf

    def check(self, distribution: Any) -> Any:
        """Return the distribution. Raises ValueError if it can give a value outside the limits."""
        low, high = distribution.support()
        allowed = f"{self.least:g}..{self.most:g} {self.unit}".strip()
        if math.isinf(low) and not math.isinf(self.most - self.least):
            raise ValueError(f"a normal distribution needs `clip` here: values must lie in {allowed}")
        if low < self.least or high > self.most:
            found = f"{low:g}" if low == high else f"{low:g}..{high:g}"
            raise ValueError(f"{found} is outside what is allowed here, {allowed}")
        return distribution

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Add ``check`` to the validation of the field."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add unit and limits to the JSON Schema of the field."""
        ends = {"minimum": self.least, "maximum": self.most}
        limits = {name: end for name, end in ends.items() if math.isfinite(end)}
        schema = handler(core)
        forms = [_add_limits(form, limits) for form in schema.pop("anyOf", [])]
        return {**schema, "anyOf": forms, "unit": self.unit}


def _add_limits(form: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    """Return the JSON Schema of a short form, a number or a pair, with limits; leave a long form unchanged."""
    if "prefixItems" in form:
        return {**form, "prefixItems": [_add_limits(item, limits) for item in form["prefixItems"]]}
    return {**form, **limits} if form.get("type") in ("number", "integer") else form


@dataclass(frozen=True)
class OneOf:
    """The words that a field allows: ``Annotated[Word, OneOf("linear", "constant_power")]``."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        """Take the allowed words as positional arguments."""
        object.__setattr__(self, "words", words)

    def check(self, distribution: Choice[str]) -> Choice[str]:
        """Return the distribution. Raises ValueError if it can give another word."""
        for word in distribution.choice:
            if word not in self.words:
                raise ValueError(f"'{word}' is none of {', '.join(self.words)}{nearest(word, self.words)}")
        return distribution

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Add ``check`` to the validation of the field."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the allowed words to the JSON Schema of the field."""
        schema = handler(core)
        forms = [{"enum": list(self.words)} if form.get("type") == "string" else form for form in schema["anyOf"]]
        return {**schema, "anyOf": forms}
