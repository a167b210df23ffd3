"""What the built-in library holds: a record a sound, in the order of the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import db_to_gain
from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import Signal
from rmod_pipeline.synthesis.kits import KITS, SOUNDS_A_KIT, Kit, drum_sound
from rmod_pipeline.synthesis.loops import LOOPS_A_PACK, PACKS, Pack, loop_sound

LOOP_KINDS = ("bass", "piano", "guitar", "vocal")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizedSound:
    """One sound that can be made: which kind, of which kit or pack, the how-many-eth of them."""

    id: str
    kind: str
    number: int
    how: Kit | Pack

    @property
    def kit(self) -> str:
        return self.how.name

    @property
    def split(self) -> str:
        return self.how.split

    @property
    def path(self) -> str:
        """Relative to the library's folder, POSIX."""
        return f"{self.id}.wav"


def catalogue() -> tuple[SynthesizedSound, ...]:
    """Return every sound of the built-in library, sorted by id."""
    return tuple(sorted(_all_sounds(), key=lambda sound: sound.id))


def _all_sounds() -> Iterator[SynthesizedSound]:
    for kit in KITS:
        for kind, count in SOUNDS_A_KIT.items():
            yield from (_sound(kind, number, kit) for number in range(count))
    for pack in PACKS:
        for kind in LOOP_KINDS:
            yield from (_sound(kind, number, pack) for number in range(LOOPS_A_PACK))


def _sound(kind: str, number: int, how: Kit | Pack) -> SynthesizedSound:
    return SynthesizedSound(id=f"{kind}/{how.name}/{kind}-{number + 1:02d}", kind=kind, number=number, how=how)


def make_sound(sound: SynthesizedSound) -> Signal:
    """Render a sound, [channels, frames], at its level: a peak of -1 dBFS or up to 3 dB less."""
    draw = Draw.of("rmod built-in", sound.id)
    match sound.how:
        case Kit():
            audio = drum_sound(sound.how, sound.kind, sound.number, draw)[np.newaxis]
        case Pack():
            audio = loop_sound(sound.how, sound.kind, sound.number, draw)
    return audio * db_to_gain(-1.0 - 2.0 * draw.at("level").uniform())
