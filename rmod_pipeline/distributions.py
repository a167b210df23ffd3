"""What a recipe may write for a random value.

    ratio: 4                                   always 4
    ratio: [2, 10]                             uniform
    ratio: {uniform: [2, 10]}                  the same, spelled out
    hz: {log_uniform: [30, 200]}               uniform in the logarithm
    hits: {integers: [2, 4]}                   whole numbers, both ends included
    law: {choice: [linear, constant_power], weights: [1, 3]}
    velocity: {normal: [100, 3], clip: [1, 127]}

A field of a recipe is declared as ``Annotated[Number, Within("dB", -80, 0)]``: what may be written, its unit, its
limits. A drawn float keeps six significant digits: enough for any ear, short in JSON, and rounding away the last bits
in which two C libraries' logarithms differ keeps a spec the same on every machine.
"""

from __future__ import annotations

import math
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
    """A part of a recipe: an unknown key is an error, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


def rounded(value: float) -> float:
    """Return the value with six significant digits."""
    return float(f"{value:.6g}")


class Constant(Strict):
    """Always the same number."""

    constant: float = Field(description="The number.")

    def at(self, draw: Draw) -> float:  # noqa: ARG002
        return rounded(self.constant)

    def support(self) -> tuple[float, float]:
        return self.constant, self.constant


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the range is out of order: {pair[0]:g} > {pair[1]:g}; write the smaller end first")
    return pair


Interval = tuple[float, float]
IntegerPair = tuple[int, int]
Range = Annotated[Interval, AfterValidator(_ordered)]
IntegerRange = Annotated[IntegerPair, AfterValidator(_ordered)]


class Uniform(Strict):
    """Every number between two ends has equal chance."""

    uniform: Range = Field(description="The two ends, the smaller first.")

    def at(self, draw: Draw) -> float:
        low, high = self.uniform
        return rounded(low + (high - low) * draw.uniform())

    def support(self) -> tuple[float, float]:
        return self.uniform


class LogUniform(Strict):
    """Every ratio has equal chance: as many values in an octave at the bottom as at the top."""

    log_uniform: Range = Field(description="The two ends, both above 0, the smaller first.")

    @model_validator(mode="after")
    def _positive(self) -> LogUniform:
        if self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform needs ends above 0, found {self.log_uniform[0]:g}")
        return self

    def at(self, draw: Draw) -> float:
        low, high = self.log_uniform
        value = rounded(low * math.exp(math.log(high / low) * draw.uniform()))
        return min(max(value, low), high)

    def support(self) -> tuple[float, float]:
        return self.log_uniform


class Integers(Strict):
    """Every whole number from the first to the last has equal chance, both included."""

    integers: IntegerRange = Field(description="The first and the last whole number.")

    def at(self, draw: Draw) -> int:
        low, high = self.integers
        return low + draw.below(high - low + 1)

    def support(self) -> tuple[float, float]:
        return self.integers


class Normal(Strict):
    """A bell curve by mean and standard deviation, clipped if ends are given."""

    normal: tuple[float, float] = Field(description="Mean and standard deviation.")
    clip: Range | None = Field(default=None, description="Values outside these ends are moved to the nearer end.")

    @model_validator(mode="after")
    def _spread(self) -> Normal:
        if self.normal[1] < 0:
            raise ValueError(f"the standard deviation is negative: {self.normal[1]:g}")
        return self

    def at(self, draw: Draw) -> float:
        mean, deviation = self.normal
        # Half a step away from 0, where the inverse of the distribution is minus infinity.
        value = mean + deviation * NormalDist().inv_cdf(draw.uniform() + 2.0**-54)
        if self.clip:
            value = min(max(value, self.clip[0]), self.clip[1])
        return rounded(value)

    def support(self) -> tuple[float, float]:
        if self.clip:
            return self.clip
        mean, deviation = self.normal
        # An unclipped bell curve has no ends: what a field limits, it must clip.
        return (mean, mean) if deviation == 0 else (-math.inf, math.inf)


class Choice(Strict, Generic[Value]):
    """One of a list, each with equal chance or by weights."""

    choice: tuple[Value, ...] = Field(min_length=1, description="The values to choose from.")
    weights: tuple[float, ...] | None = Field(default=None, description="One weight a value, 0 or more; default equal.")

    @model_validator(mode="after")
    def _weighted(self) -> Choice[Value]:
        if self.weights is None:
            return self
        if len(self.weights) != len(self.choice):
            raise ValueError(f"{len(self.choice)} values but {len(self.weights)} weights; write one weight a value")
        if min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError("weights must be 0 or more, and not all 0")
        return self

    def at(self, draw: Draw) -> Value:
        if self.weights is None:
            return draw.pick(self.choice)
        point = draw.uniform() * sum(self.weights)
        for value, reached in zip(self.choice, accumulate(self.weights), strict=True):
            if point < reached:
                return value
        return self.choice[-1]

    def support(self) -> tuple[float, float]:
        numbers = [float(value) for value in self.choice]
        return min(numbers), max(numbers)


def _number_spelled_out(value: Any) -> Any:
    """Turn the two short forms, a number and a pair, into the long ones."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return {"constant": value}
    if isinstance(value, (list, tuple)):
        return {"uniform": value}
    return value


def _integer_spelled_out(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"integers": [value, value]}
    if isinstance(value, (list, tuple)):
        return {"integers": value}
    return value


def _word_spelled_out(value: Any) -> Any:
    return {"choice": [value]} if isinstance(value, str) else value


_FORMS = ("constant", "uniform", "log_uniform", "integers", "normal", "choice")


def _form(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, BaseModel) else ()
    return next((form for form in _FORMS if form in keys), None)


_WRONG_FORM: dict[str, str] = {
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
    Discriminator(_form, **_WRONG_FORM),
    BeforeValidator(
        _number_spelled_out,
        json_schema_input_type=float | Interval | Constant | Uniform | LogUniform | Integers | Normal | Choice[float],
    ),
]
"""A random number: a number, a pair, or one of the six long forms."""

Integer = Annotated[
    Annotated[Integers, Tag("integers")] | Annotated[Choice[int], Tag("choice")],
    Discriminator(_form, **_WRONG_FORM),
    BeforeValidator(_integer_spelled_out, json_schema_input_type=int | IntegerPair | Integers | Choice[int]),
]
"""A random whole number: a number, a pair (every number between, both ends included), integers or choice."""

Word = Annotated[Choice[str], BeforeValidator(_word_spelled_out, json_schema_input_type=str | Choice[str])]
"""One of some words: a word, or {choice: [...], weights: [...]}."""

Probability = Annotated[float, Field(ge=0, le=1)]
"""A chance from 0 (never) to 1 (always)."""


@dataclass(frozen=True)
class Within:
    """The unit and the limits of a field: ``Annotated[Number, Within("dB", -80, 0)]``."""

    unit: str
    least: float = -math.inf
    most: float = math.inf

    def check(self, distribution: Any) -> Any:
        low, high = distribution.support()
        allowed = f"{self.least:g}..{self.most:g} {self.unit}".strip()
        if math.isinf(low) and not math.isinf(self.most - self.least):
            raise ValueError(f"a normal distribution needs `clip` here: values must lie in {allowed}")
        if low < self.least or high > self.most:
            found = f"{low:g}" if low == high else f"{low:g}..{high:g}"
            raise ValueError(f"{found} is outside what is allowed here, {allowed}")
        return distribution

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        ends = {"minimum": self.least, "maximum": self.most}
        limits = {name: end for name, end in ends.items() if math.isfinite(end)}
        written = handler(core)
        forms = [_limited(form, limits) for form in written.pop("anyOf", [])]
        return {**written, "anyOf": forms, "unit": self.unit}


def _limited(form: dict[str, Any], limits: dict[str, float]) -> dict[str, Any]:
    """Return the JSON Schema of a short form, a number or a pair, with limits; long forms stay as they are."""
    if "prefixItems" in form:
        return {**form, "prefixItems": [_limited(item, limits) for item in form["prefixItems"]]}
    return {**form, **limits} if form.get("type") in ("number", "integer") else form


@dataclass(frozen=True)
class OneOf:
    """The words that a field allows: ``Annotated[Word, OneOf("linear", "constant_power")]``."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def check(self, distribution: Choice[str]) -> Choice[str]:
        for word in distribution.choice:
            if word not in self.words:
                raise ValueError(f"'{word}' is none of {', '.join(self.words)}{nearest(word, self.words)}")
        return distribution

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = handler(core)
        forms = [{"enum": list(self.words)} if form.get("type") == "string" else form for form in written["anyOf"]]
        return {**written, "anyOf": forms}
