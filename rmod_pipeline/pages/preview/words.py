"""Numbers and effects as a reader wants them: a true minus sign, three digits, units."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeGuard

from markupsafe import Markup

from rmod_pipeline.effects import Effect
from rmod_pipeline.effects.equalizer import Equalizer
from rmod_pipeline.pages.preview.curves import equalizer_curve

MISSING = "–"
MINUS = "−"

_UNITS = {"db": "dB", "ms": "ms", "hz": "Hz", "seconds": "s"}
_HIDDEN = frozenset({"effect", "match_rms"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectWords:
    """One effect of a chain, for reading."""

    name: str
    lines: tuple[str, ...]
    gain: str
    """The gain it made, measured; empty if nobody measured it, or if the lines say it already."""
    keeps_level: bool
    picture: Markup


def number(value: object, digits: int = 3) -> str:
    """Return a number with so many significant digits, a dash if there is none."""
    if not is_number(value):
        return MISSING
    size = abs(value)
    if size >= 10**digits:
        return _minus(f"{value:.0f}")
    return _minus(f"{value:.{digits}g}") if size >= 1e-4 else "0"


def level(value: object, unit: str = "dB") -> str:
    """Return a level with one decimal and its unit, a dash if there is none."""
    return _minus(f"{round(value, 1) + 0.0:.1f} {unit}") if is_number(value) else MISSING


def signed(value: object, unit: str = "dB", digits: int = 1) -> str:
    """Return a gain or an interval with its sign and its unit, a dash if there is none."""
    if not is_number(value):
        return MISSING
    return _minus(f"{value:+.{digits}f} {unit}") if round(value, digits) else f"0 {unit}"


def whole(value: int) -> str:
    """Return a whole number."""
    return _minus(str(value))


def is_number(value: object) -> TypeGuard[float]:
    """Return whether there is a finite number: JSON written by others may say NaN, true or nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


def kind_words(kind: str) -> str:
    """Return a kind or a name as words: low_shelf becomes "low shelf"."""
    return kind.replace("_", " ")


def effect_words(effect: Effect, sample_rate: int, gain_db: object = None) -> EffectWords:
    """Return an effect for reading. An effect that this page does not know is read by the names of its fields."""
    lines = tuple(_SPECIAL.get(effect.effect, _by_fields)(effect))
    made = signed(gain_db)
    return EffectWords(
        name=kind_words(effect.effect),
        lines=lines,
        gain="" if effect.match_rms or made in (MISSING, *lines) else made,
        keeps_level=effect.match_rms,
        picture=equalizer_curve(effect.bands, sample_rate) if isinstance(effect, Equalizer) else Markup(""),
    )


def _by_fields(record: Any) -> list[str]:
    lines: list[str] = []
    for field in fields(record):
        if field.name in _HIDDEN:
            continue
        value = getattr(record, field.name)
        if isinstance(value, tuple):
            lines += [" · ".join(_by_fields(part)) if is_dataclass(part) else str(part) for part in value]
        else:
            lines.append(_field(field.name, value))
    return lines


def _field(name: str, value: object) -> str:
    """Return "threshold −23.1 dB" for ("threshold_db", -23.14): the unit is in the name."""
    *front, last = name.split("_")
    unit = _UNITS.get(last)
    if unit is None or not is_number(value):
        return f"{kind_words(name)} {number(value, 2) if is_number(value) else kind_words(str(value))}"
    quantity = level(value) if unit == "dB" else f"{number(value)} {unit}"
    return f"{' '.join(front)} {quantity}" if front else quantity


def _gain(effect: Any) -> list[str]:
    return [signed(effect.gain_db)]


def _level_gain(effect: Any) -> list[str]:
    return [f"{number(effect.min_db)} to {number(effect.max_db)} dB", f"jitter {signed(effect.jitter_db)}"]


def _equalizer(effect: Any) -> list[str]:
    return [
        f"{kind_words(band.shape)} {signed(band.gain_db)} at {number(band.hz)} Hz, Q {number(band.q, 2)}"
        for band in effect.bands
    ]


def _compressor(effect: Any) -> list[str]:
    return [
        f"{number(effect.ratio, 2)} : 1 above {level(effect.threshold_db)}",
        f"attack {number(effect.attack_ms)} ms",
        f"release {number(effect.release_ms)} ms",
    ]


def _pan(effect: Any) -> list[str]:
    return [pan_words(effect.position), kind_words(effect.law).replace("minus 4 5 db", f"{MINUS}4.5 dB") + " law"]


def pan_words(position: float) -> str:
    """Return "12 % left" for 0.44: how far a track stands from the middle."""
    away = round(abs(position - 0.5) * 200)
    if away == 0:
        return "middle"
    return f"{away} % {'left' if position < 0.5 else 'right'}"


def _filter(effect: Any) -> list[str]:
    return [f"{effect.passes}-pass at {number(effect.hz)} Hz"]


def _delay(effect: Any) -> list[str]:
    return [f"every {number(effect.seconds)} s", f"feedback {number(effect.feedback, 2)}"]


_SPECIAL = {
    "gain": _gain,
    "level_gain": _level_gain,
    "equalizer": _equalizer,
    "compressor": _compressor,
    "pan": _pan,
    "filter": _filter,
    "delay": _delay,
}
