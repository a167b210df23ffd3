"""Format numbers and effects for readers: a minus sign, three significant digits, units."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeGuard

from markupsafe import Markup

from rmod_pipeline.effects import Effect
from rmod_pipeline.effects.equalizer import Equalizer
from rmod_pipeline.pages.preview.curves import draw_equalizer_curve

MISSING = "–"
MINUS = "−"

_UNITS = {"db": "dB", "ms": "ms", "hz": "Hz", "seconds": "s"}
_HIDDEN = frozenset({"effect", "match_rms"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectView:
    """One effect of a chain as the page shows it."""

    name: str
    lines: tuple[str, ...]
    gain: str
    """The measured gain; empty if it was not measured, or if one of the lines states it."""
    keeps_level: bool
    picture: Markup


def format_number(value: object, digits: int = 3) -> str:
    """Return a number with the given significant digits, or a dash if the value is not a number."""
    if not is_number(value):
        return MISSING
    size = abs(value)
    if size >= 10**digits:
        return _minus(f"{value:.0f}")
    return _minus(f"{value:.{digits}g}") if size >= 1e-4 else "0"


def format_level(value: object, unit: str = "dB") -> str:
    """Return a level with one decimal and its unit, or a dash if the value is not a number."""
    return _minus(f"{round(value, 1) + 0.0:.1f} {unit}") if is_number(value) else MISSING


def format_signed(value: object, unit: str = "dB", digits: int = 1) -> str:
    """Return a gain or an interval with sign and unit, or a dash if the value is not a number."""
    if not is_number(value):
        return MISSING
    return _minus(f"{value:+.{digits}f} {unit}") if round(value, digits) else f"0 {unit}"


def format_integer(value: int) -> str:
    """Return an integer with a minus sign where it is negative."""
    return _minus(str(value))


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number: the JSON of others may contain NaN, true or null."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


def format_kind(kind: str) -> str:
    """Return an identifier as words: low_shelf becomes "low shelf"."""
    return kind.replace("_", " ")


def describe_effect(effect: Effect, sample_rate: int, gain_db: object = None) -> EffectView:
    """Return an effect as the page shows it; an effect without a description of its own is described by its fields.

    gain_db: the measured gain, if any.
    """
    lines = tuple(_DESCRIPTIONS.get(effect.effect, _describe_fields)(effect))
    gain = format_signed(gain_db)
    return EffectView(
        name=format_kind(effect.effect),
        lines=lines,
        gain="" if effect.match_rms or gain in (MISSING, *lines) else gain,
        keeps_level=effect.match_rms,
        picture=draw_equalizer_curve(effect.bands, sample_rate) if isinstance(effect, Equalizer) else Markup(""),
    )


def _describe_fields(record: Any) -> list[str]:
    lines: list[str] = []
    for field in fields(record):
        if field.name in _HIDDEN:
            continue
        value = getattr(record, field.name)
        if isinstance(value, tuple):
            lines += [" · ".join(_describe_fields(part)) if is_dataclass(part) else str(part) for part in value]
        else:
            lines.append(_describe_field(field.name, value))
    return lines


def _describe_field(name: str, value: object) -> str:
    """Return "threshold −23.1 dB" for ("threshold_db", -23.14): the name contains the unit."""
    *front, last = name.split("_")
    unit = _UNITS.get(last)
    if unit is None or not is_number(value):
        return f"{format_kind(name)} {format_number(value, 2) if is_number(value) else format_kind(str(value))}"
    quantity = format_level(value) if unit == "dB" else f"{format_number(value)} {unit}"
    return f"{' '.join(front)} {quantity}" if front else quantity


def _describe_gain(effect: Any) -> list[str]:
    return [format_signed(effect.gain_db)]


def _describe_level_gain(effect: Any) -> list[str]:
    return [
        f"{format_number(effect.min_db)} to {format_number(effect.max_db)} dB",
        f"jitter {format_signed(effect.jitter_db)}",
    ]


def _describe_equalizer(effect: Any) -> list[str]:
    return [
        f"{format_kind(band.shape)} {format_signed(band.gain_db)} at {format_number(band.hz)} Hz, "
        f"Q {format_number(band.q, 2)}"
        for band in effect.bands
    ]


def _describe_compressor(effect: Any) -> list[str]:
    return [
        f"{format_number(effect.ratio, 2)} : 1 above {format_level(effect.threshold_db)}",
        f"attack {format_number(effect.attack_ms)} ms",
        f"release {format_number(effect.release_ms)} ms",
    ]


def _describe_pan(effect: Any) -> list[str]:
    return [describe_pan(effect.position), format_kind(effect.law).replace("minus 4 5 db", f"{MINUS}4.5 dB") + " law"]


def describe_pan(position: float) -> str:
    """Return "12 % left" for 0.44: the distance of a track from the centre."""
    distance = round(abs(position - 0.5) * 200)
    if distance == 0:
        return "centre"
    return f"{distance} % {'left' if position < 0.5 else 'right'}"


def _describe_filter(effect: Any) -> list[str]:
    return [f"{effect.passes}-pass at {format_number(effect.hz)} Hz"]


def _describe_delay(effect: Any) -> list[str]:
    return [f"every {format_number(effect.seconds)} s", f"feedback {format_number(effect.feedback, 2)}"]


_DESCRIPTIONS = {
    "gain": _describe_gain,
    "level_gain": _describe_level_gain,
    "equalizer": _describe_equalizer,
    "compressor": _describe_compressor,
    "pan": _describe_pan,
    "filter": _describe_filter,
    "delay": _describe_delay,
}
