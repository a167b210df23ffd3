"""The pads of a kit: what a usual sound of each class of drum is like. Keys and kinds are those of the taxonomy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.library.taxonomy import GENERAL_MIDI, class_of, kind_of, midi_kinds

SNARE_LUFS = -20.0
"""Loudness of the snare's loudest 93 ms. A usual one has its peak at -7 dBFS then: room for sharp sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    """One class of drum, as a kit plays it."""

    name: str
    """File name and id, such as ``tom_low``."""
    path: str
    """Class and subclass in the taxonomy: ``tom/low``."""
    seconds: float
    """Length of a usual one-shot."""
    centre_hz: float
    """Centre of the spectrum of a usual one-shot."""
    level_db: float
    """Loudness relative to the snare."""

    @property
    def kind(self) -> str:
        """The class."""
        return self.path.partition("/")[0]

    @property
    def subkind(self) -> str:
        """The part of the class; empty for all of it."""
        return self.path.partition("/")[2]

    @property
    def title(self) -> str:
        """The name for people: ``low tom``, ``crash``, ``open hi-hat``."""
        if self.kind == "cymbal":
            return self.subkind
        return " ".join(filter(None, (self.subkind, "hi-hat" if self.kind == "hihat" else self.kind)))

    @property
    def loudness_db(self) -> float:
        """Loudness of the loudest 93 ms, in LUFS."""
        return SNARE_LUFS + self.level_db

    @property
    def choke_group(self) -> int:
        """Pads of one group end each other: 1 for the hi-hats, 0 for all others, which are in no group."""
        return 1 if self.kind == "hihat" else 0

    @property
    def key(self) -> int:
        """The key of General MIDI that the pad is written as."""
        rows = (row for row in midi_kinds(GENERAL_MIDI).values() if not row.member)
        return next(row.midi[GENERAL_MIDI][0] for row in rows if row.path == self.path)

    @property
    def library_kind(self) -> str:
        """The kind in a manifest, as a scan gives it."""
        return kind_of(self.kind, self.subkind)


# Seconds and centres are medians of 1,900 real one-shots (benchmarks/drum_kit_pads.py; docs/guides/kits.md). Cymbals
# were measured in collections that cut them at 1.2 s, so crash and china have a length beyond that. Levels are those of
# kits whose sounds keep their natural balance, rounded: the lower quartiles for hats, rim, ride and small percussion,
# because most kits have every sound at full scale.
_PADS = (
    Pad(name="kick", path="kick", seconds=0.27, centre_hz=80, level_db=1),
    Pad(name="snare", path="snare", seconds=0.22, centre_hz=380, level_db=0),
    Pad(name="rim", path="rim", seconds=0.13, centre_hz=1_200, level_db=-5),
    Pad(name="clap", path="clap", seconds=0.20, centre_hz=1_650, level_db=-1),
    Pad(name="hihat_closed", path="hihat/closed", seconds=0.13, centre_hz=7_500, level_db=-6),
    Pad(name="hihat_pedal", path="hihat/pedal", seconds=0.12, centre_hz=5_400, level_db=-7),
    Pad(name="hihat_open", path="hihat/open", seconds=0.47, centre_hz=6_800, level_db=-5),
    Pad(name="tom_low", path="tom/low", seconds=0.65, centre_hz=112, level_db=0),
    Pad(name="tom_mid", path="tom/mid", seconds=0.46, centre_hz=151, level_db=0),
    Pad(name="tom_high", path="tom/high", seconds=0.38, centre_hz=202, level_db=-0.5),
    Pad(name="crash", path="cymbal/crash", seconds=1.8, centre_hz=3_550, level_db=-2),
    Pad(name="ride", path="cymbal/ride", seconds=1.1, centre_hz=6_500, level_db=-6),
    Pad(name="splash", path="cymbal/splash", seconds=1.1, centre_hz=4_300, level_db=-3),
    Pad(name="china", path="cymbal/china", seconds=1.5, centre_hz=2_900, level_db=-3),
    Pad(name="cowbell", path="cowbell", seconds=0.21, centre_hz=790, level_db=-5),
    Pad(name="tambourine", path="tambourine", seconds=0.24, centre_hz=6_700, level_db=-4),
    Pad(name="shaker", path="shaker", seconds=0.11, centre_hz=8_700, level_db=-6),
    Pad(name="conga", path="conga", seconds=0.21, centre_hz=300, level_db=-2),
    Pad(name="bongo", path="bongo", seconds=0.15, centre_hz=410, level_db=-4),
    Pad(name="clave", path="clave", seconds=0.05, centre_hz=2_400, level_db=-5),
)

PADS: Mapping[str, Pad] = {pad.name: pad for pad in _PADS}
"""All pads by name, the most important ones first."""

STANDARD = (
    *("kick", "snare", "rim", "clap", "hihat_closed", "hihat_open", "tom_low", "tom_mid", "tom_high"),
    *("crash", "ride", "cowbell", "tambourine", "shaker"),
)
"""The pads of the kit that is made by default."""

ESSENTIAL = ("kick", "snare", "hihat")
"""Classes without which a kit cannot play a beat."""


def parse_pads(text: str) -> tuple[Pad, ...]:
    """Return the pads that a text such as ``kick,snare,hihat`` names, in the order of the table.

    A name is that of a pad (``hihat_open``), class and subclass (``hihat/open``), a kind (``open_hihat``, ``ride``), or
    a class, which stands for its pads in the standard kit, or for all of them if none is in it. An empty text is the
    standard kit. Raises UsageError.
    """
    names = {name for word in text.split(",") if word.strip() for name in _pads_of(word.strip().lower())}
    return tuple(pad for pad in PADS.values() if pad.name in (names or STANDARD))


def _pads_of(word: str) -> tuple[str, ...]:
    if word in PADS:
        return (word,)
    kind, subkind = class_of(word.replace("/", "_")) or ("", "")
    of_kind = tuple(pad.name for pad in PADS.values() if pad.kind == kind and subkind in ("", pad.subkind))
    if not of_kind:
        known = dict.fromkeys([*PADS, *(pad.kind for pad in PADS.values())])
        found = f"no pad is called {word!r}{nearest(word, known)}"
        raise UsageError("--kinds", found, f"choose from {', '.join(PADS)}")
    return tuple(name for name in of_kind if name in STANDARD) or of_kind


def find_pad(pads: Iterable[Pad], kind: str, subkind: str = "") -> Pad | None:
    """Return the pad that plays a class: that of the subclass, or else the first of the class; None if there is none.

    So a kit without a pedal hi-hat plays the closed one.
    """
    of_kind = [pad for pad in pads if pad.kind == kind]
    return next((pad for pad in of_kind if pad.subkind == subkind), of_kind[0] if of_kind else None)


def assign_keys(pads: Iterable[Pad], map_name: str = GENERAL_MIDI) -> dict[int, Pad]:
    """Return the pad that each key of a map of the taxonomy plays, by key."""
    pads = tuple(pads)
    found = {
        key: find_pad(pads, row.class_name, row.subkind) for key, row in midi_kinds(map_name).items() if not row.member
    }
    return {key: pad for key, pad in sorted(found.items()) if pad is not None}
