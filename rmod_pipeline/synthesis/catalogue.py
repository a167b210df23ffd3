"""List the sounds of the built-in library, and make any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import db_to_gain
from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import Signal
from rmod_pipeline.synthesis.kit_presets import KITS
from rmod_pipeline.synthesis.kits import SOUNDS_PER_KIT, Kit, make_drum_sound
from rmod_pipeline.synthesis.loops import LOOPS_PER_PACK, Pack, make_loop
from rmod_pipeline.synthesis.pack_presets import PACKS

LOOP_KINDS = ("bass", "piano", "guitar", "vocal")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesizedSound:
    """A sound that can be made: its kind, its kit or pack, and its number among the sounds of that kind in it."""

    id: str
    kind: str
    number: int
    collection: Kit | Pack

    @property
    def kit(self) -> str:
        """Name of the kit or pack."""
        return self.collection.name

    @property
    def split(self) -> str:
        """Split: train, valid or test."""
        return self.collection.split

    @property
    def path(self) -> str:
        """POSIX path relative to the library's folder."""
        return f"{self.id}.wav"


def list_sounds() -> tuple[SynthesizedSound, ...]:
    """Return every sound of the built-in library, sorted by id."""
    return tuple(sorted(_generate_sounds(), key=lambda sound: sound.id))


def make_sound(sound: SynthesizedSound) -> Signal:
    """Return a sound, [channels, frames] float64, with a peak between -1 and -3 dBFS."""
    draw = Draw.of("rmod built-in", sound.id)
    match sound.collection:
        case Kit():
            audio = make_drum_sound(sound.collection, sound.kind, sound.number, draw)[np.newaxis]
        case Pack():
            audio = make_loop(sound.collection, sound.kind, sound.number, draw)
    return audio * db_to_gain(-1.0 - 2.0 * draw.at("level").uniform())


def _generate_sounds() -> Iterator[SynthesizedSound]:
    for kit in KITS:
        for kind, count in SOUNDS_PER_KIT.items():
            yield from (_describe_sound(kind, number, kit) for number in range(count))
    for pack in PACKS:
        for kind in LOOP_KINDS:
            yield from (_describe_sound(kind, number, pack) for number in range(LOOPS_PER_PACK))


def _describe_sound(kind: str, number: int, collection: Kit | Pack) -> SynthesizedSound:
    sound_id = f"{kind}/{collection.name}/{kind}-{number + 1:02d}"
    return SynthesizedSound(id=sound_id, kind=kind, number=number, collection=collection)
