"""The patterns that the page of a kit plays: one bar of sixteen steps each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEPS = 16
VELOCITIES = {".": 0, "-": 45, "x": 85, "X": 115}
"""Velocity of each character of a pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPattern:
    """One bar."""

    name: str
    bpm: int
    hits: dict[str, str]
    """A character per step by the name of the pad."""


_PATTERNS = (
    StepPattern(
        name="Rock",
        bpm=104,
        hits={
            "kick": "X.....x.X.x.....",
            "snare": "....X.......X..-",
            "hihat_closed": "X.x.X.x.X.x.X...",
            "hihat_open": "..............x.",
            "crash": "x...............",
            "tom_low": "...............-",
        },
    ),
    StepPattern(
        name="House",
        bpm=124,
        hits={
            "kick": "X...X...X...X...",
            "clap": "....X.......X...",
            "hihat_open": "..x...x...x...x.",
            "hihat_closed": "-.-.-.-.-.-.-.-.",
            "shaker": "-x-x-x-x-x-x-x-x",
            "rim": ".......x..x.....",
        },
    ),
    StepPattern(
        name="Breakbeat",
        bpm=96,
        hits={
            "kick": "X.x.......XX....",
            "snare": "....X..-.-..X..-",
            "ride": "X.x.X.x.X.x.X.x.",
            "tambourine": "....x.......x...",
            "cowbell": "..........-.....",
            "tom_mid": "..............x.",
            "tom_high": ".............x..",
        },
    ),
    StepPattern(
        name="Latin",
        bpm=112,
        hits={
            "kick": "X..x..x.X..x..x.",
            "rim": "x..x..x...x.x...",
            "clave": "X..X..X...X.X...",
            "conga": "..x...xx..x...xx",
            "bongo": "x-x-x-x-x-x-x-x-",
            "shaker": "x-x-x-x-x-x-x-x-",
            "cowbell": "x...x...x...x...",
            "tom_low": "......xx......xx",
            "hihat_closed": "..x...x...x...x.",
        },
    ),
)


def list_patterns(pads: Sequence[str]) -> list[dict[str, object]]:
    """Return the patterns for a kit with these pads: name, tempo, and the velocities of each step by pad."""
    return [
        {
            "name": pattern.name,
            "bpm": pattern.bpm,
            "steps": {pad: [VELOCITIES[hit] for hit in pattern.hits.get(pad, "." * STEPS)] for pad in pads},
        }
        for pattern in _PATTERNS
    ]
