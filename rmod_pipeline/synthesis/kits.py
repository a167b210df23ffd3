"""Synthesise the sounds of a drum kit: vary an instrument, synthesise it, process it and trim it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.cymbals import (
    PlateCymbal,
    SquareCymbal,
    synthesize_plate_cymbal,
    synthesize_square_cymbal,
)
from rmod_pipeline.synthesis.dsp import Signal, add_room, bitcrush, low_pass, normalize_peak, saturate, trim_one_shot
from rmod_pipeline.synthesis.kicks import MembraneDrum, SweptDrum, synthesize_membrane_drum, synthesize_swept_drum
from rmod_pipeline.synthesis.snares import CircuitSnare, WireSnare, synthesize_circuit_snare, synthesize_wire_snare
from rmod_pipeline.synthesis.variation import vary

Drum = SweptDrum | MembraneDrum
Snare = CircuitSnare | WireSnare
Cymbal = SquareCymbal | PlateCymbal
Instrument = Drum | Snare | Cymbal


@dataclass(frozen=True, slots=True, kw_only=True)
class KitProcessing:
    """Processing of all sounds of a kit: the room and the sampler that recorded it."""

    room: float = 0.0
    """Level of the room relative to the dry sound."""
    room_seconds: float = 0.25
    room_hz: float = 6000.0
    tape: float = 0.0
    """Drive of a saturating stage."""
    bits: int = 16
    rate_hz: float = 44_100.0
    """Sample rate of the sampler."""
    tone_hz: float = 20_000.0
    """Cutoff of the final low-pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """A drum kit: the central parameters of its instruments. Each tom and each cymbal has its own parameters."""

    name: str
    kick: Drum
    snare: Snare
    hihat: Cymbal
    openhat: Cymbal
    toms: Sequence[Drum]
    cymbals: Sequence[Cymbal]
    processing: KitProcessing = field(default_factory=KitProcessing)
    split: str = "train"

    def instruments(self, kind: str) -> Sequence[Instrument]:
        """Return the instruments of a kind; the sounds of the kind use them in turn."""
        by_kind: dict[str, Sequence[Instrument]] = {
            "kick": (self.kick,),
            "snare": (self.snare,),
            "hihat": (self.hihat,),
            "openhat": (self.openhat,),
            "tom": self.toms,
            "cymbal": self.cymbals,
        }
        return by_kind[kind]


SOUNDS_PER_KIT = {"kick": 4, "snare": 4, "hihat": 4, "openhat": 2, "tom": 2, "cymbal": 2}

DURATION_RANGES = {
    "kick": (0.2, 1.2),
    "snare": (0.15, 0.8),
    "hihat": (0.05, 0.3),
    "openhat": (0.3, 1.5),
    "tom": (0.3, 1.5),
    "cymbal": (1.0, 2.0),
}
"""Shortest and longest duration in seconds of a sound, by kind."""


def make_drum_sound(kit: Kit, kind: str, number: int, draw: Draw) -> Signal:
    """Return one sound of a kit, [frames] with peak 1: varied, synthesised, processed and trimmed."""
    instruments = kit.instruments(kind)
    instrument = vary(instruments[number % len(instruments)], draw.at("character"))
    dry = normalize_peak(synthesize_instrument(instrument, draw.at("model")))
    # The draw depends only on the kit's name, so that all sounds of a kit share one room.
    processed = process_kit_sound(dry, kit.processing, Draw.of("rmod built-in room", kit.name))
    return normalize_peak(trim_one_shot(processed, *DURATION_RANGES[kind]))


def synthesize_instrument(instrument: Instrument, draw: Draw) -> Signal:
    """Synthesise one hit, [frames], with the model of the instrument."""
    match instrument:
        case SweptDrum():
            return synthesize_swept_drum(instrument, draw)
        case MembraneDrum():
            return synthesize_membrane_drum(instrument, draw)
        case CircuitSnare():
            return synthesize_circuit_snare(instrument, draw)
        case WireSnare():
            return synthesize_wire_snare(instrument, draw)
        case SquareCymbal():
            return synthesize_square_cymbal(instrument, draw)
        case PlateCymbal():
            return synthesize_plate_cymbal(instrument, draw)


def process_kit_sound(signal: Signal, processing: KitProcessing, draw: Draw) -> Signal:
    """Add the kit's room to a sound with peak 1, and apply saturation, sampler and low-pass."""
    if processing.room > 0.0:
        wet = add_room(signal, draw, processing.room_seconds, processing.room_hz, processing.room)
        signal = normalize_peak(wet)
    signal = saturate(signal, processing.tape)
    if processing.bits < 16 or processing.rate_hz < 44_100.0:
        signal = bitcrush(signal, processing.bits, processing.rate_hz)
    return low_pass(signal, processing.tone_hz) if processing.tone_hz < 20_000.0 else signal
