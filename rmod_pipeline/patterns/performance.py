"""Performances: the hits of a MIDI file by kind of drum, in exact time, and the windows that begin at its bars.

Times are whole numbers of a unit that is the same for a whole file, so that a window is the same on every machine.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rmod_pipeline.patterns.drum_maps import DrumMap
from rmod_pipeline.patterns.midi_file import MidiError, MidiSequence, parse_midi

MICROSECONDS = 1_000_000
BEATS_PER_BAR, BEAT_VALUE = 4, 4
SLOWEST_BPM, FASTEST_BPM = 20, 400
LONGEST_MINUTES = 20

EARLY_BEATS = 8
"""A hit less than a beat divided by this number before a bar is an early hit of that bar: a 32nd note."""

Hit = tuple[int, int]
"""Time, and velocity 1..127."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What a drummer played."""

    units_per_second: int
    bars: tuple[int, ...]
    """Time of every bar line, that after the last bar included."""
    tempos: tuple[int, ...]
    """Microseconds per beat at every bar line."""
    hits: Mapping[str, tuple[Hit, ...]]
    """By kind, in the order of time."""
    unmapped: Mapping[int, int] = field(default_factory=dict)
    """Number of hits by MIDI key, of keys that the map lacks."""

    @property
    def seconds(self) -> float:
        """Duration from the first bar to the end of the last one that has a hit."""
        return self.bars[-1] / self.units_per_second

    def bpm(self, bar: int) -> float:
        """Return the tempo at a bar in beats per minute, to six digits."""
        return float(f"{60 * MICROSECONDS / self.tempos[bar]:.6g}")

    def start_of(self, bar: int) -> int:
        """Return the time at which a window of this bar begins: at the bar line, or at an early hit of its downbeat."""
        line = self.bars[bar]
        beat = (self.bars[bar + 1] - line) // BEATS_PER_BAR
        firsts = (hits_between(hits, line - beat // EARLY_BEATS + 1, line)[:1] for hits in self.hits.values())
        return max(min((first[0][0] for first in firsts if first), default=line), 0)

    def find_windows(self, length: int, kinds: Iterable[str]) -> tuple[int, ...]:
        """Return the bars at which a window of ``length`` units holds a hit of every kind and ends in time."""
        kinds = tuple(kinds)
        bars = []
        for bar, line in enumerate(self.bars[:-1]):
            if line + length > self.bars[-1]:
                break
            start = self.start_of(bar)
            if all(hits_between(self.hits.get(kind, ()), start, start + length) for kind in kinds):
                bars.append(bar)
        return tuple(bars)


def hits_between(hits: Sequence[Hit], start: int, end: int) -> Sequence[Hit]:
    """Return the hits from ``start`` until before ``end``."""
    return hits[bisect_left(hits, (start, 0)) : bisect_left(hits, (end, 0))]


def read_performance(data: bytes, drum_map: DrumMap, about: object) -> Performance:
    """Return the performance in the bytes of a MIDI file; ``about`` names it in errors.

    Raises MidiError for a file that is damaged, and for one that no window can be taken from.
    """
    sequence = parse_midi(data, about)
    problem = find_problem(sequence, drum_map.channels)
    if problem:
        raise MidiError(about, problem, "leave the file out, or correct it in a program for MIDI")
    return _make_performance(sequence, drum_map, about)


def find_problem(sequence: MidiSequence, channels: Collection[int]) -> str:
    """Return why a sequence is no performance that windows of bars can be taken from; empty if it is one."""
    if not any(channel in channels for _, channel, _, _ in sequence.notes):
        return f"no drums: no note on channel {', '.join(map(str, sorted(channels)))}"
    problem = _find_metre_problem(sequence) or _find_tempo_problem(sequence)
    if problem:
        return problem
    if sequence.hanging:
        notes = "1 note never ends" if sequence.hanging == 1 else f"{sequence.hanging} notes never end"
        return f"hanging notes: {notes}"
    last = max(tick for tick, channel, _, _ in sequence.notes if channel in channels)
    seconds = Clock(sequence).time_of(last) / (MICROSECONDS * sequence.ticks_per_beat)
    if seconds > 60 * LONGEST_MINUTES:
        return f"too long: {seconds / 60:.0f} minutes; up to {LONGEST_MINUTES} are used"
    return ""


def _find_metre_problem(sequence: MidiSequence) -> str:
    metres = {(beats, value) for _, beats, value in sequence.metres} or {(BEATS_PER_BAR, BEAT_VALUE)}
    if len(metres) > 1:
        listed = ", ".join(f"{beats}/{value}" for beats, value in sorted(metres))
        return f"changing metre: {listed}"
    if metres != {(BEATS_PER_BAR, BEAT_VALUE)}:
        beats, value = metres.pop()
        return f"metre {beats}/{value}: bars must be of {BEATS_PER_BAR}/{BEAT_VALUE}"
    return ""


def _find_tempo_problem(sequence: MidiSequence) -> str:
    if not sequence.tempos:
        return "no tempo"
    for _, microseconds in sequence.tempos:
        if not SLOWEST_BPM <= 60 * MICROSECONDS / max(microseconds, 1) <= FASTEST_BPM:
            bpm = 60 * MICROSECONDS / max(microseconds, 1)
            return f"odd tempo: {bpm:.4g} bpm; from {SLOWEST_BPM} to {FASTEST_BPM} are played"
    return ""


class Clock:
    """The time of each tick of a sequence, in units of a microsecond divided by the ticks of a beat."""

    def __init__(self, sequence: MidiSequence) -> None:
        """Add up the tempos, of which there is one or more; the first holds from the beginning."""
        self._ticks, self._times, self.tempos = [0], [0], [sequence.tempos[0][1]]
        for tick, tempo in sequence.tempos:
            if tick > self._ticks[-1]:
                self._times.append(self.time_of(tick))
                self._ticks.append(tick)
                self.tempos.append(tempo)
            else:
                self.tempos[-1] = tempo  # of several at one tick the last counts

    def time_of(self, tick: int) -> int:
        """Return the time of a tick."""
        at = self._find(tick)
        return self._times[at] + (tick - self._ticks[at]) * self.tempos[at]

    def tempo_at(self, tick: int) -> int:
        """Return the microseconds per beat at a tick."""
        return self.tempos[self._find(tick)]

    def _find(self, tick: int) -> int:
        if tick >= self._ticks[-1]:  # most performances have one tempo
            return len(self._ticks) - 1
        return bisect_left(self._ticks, tick + 1) - 1


def _make_performance(sequence: MidiSequence, drum_map: DrumMap, about: object) -> Performance:
    clock, kinds, channels = Clock(sequence), drum_map.kinds_by_key(), set(drum_map.channels)
    hits: dict[str, list[Hit]] = {}
    unmapped = Counter[int]()
    last = 0
    for tick, channel, key, velocity in sequence.notes:
        if channel in channels:
            kind = kinds.get(key)
            if kind is None:
                unmapped[key] += 1
                continue
            hits.setdefault(kind, []).append((clock.time_of(tick), velocity))
            last = tick
    if not hits:
        found = f"no drums: the map {drum_map.name} has none of its keys, {', '.join(map(str, sorted(unmapped)))}"
        raise MidiError(about, found, "choose another --map, or write one with these keys")
    bar_ticks = BEATS_PER_BAR * sequence.ticks_per_beat
    lines = [bar * bar_ticks for bar in range(last // bar_ticks + 2)]
    return Performance(
        units_per_second=MICROSECONDS * sequence.ticks_per_beat,
        bars=tuple(map(clock.time_of, lines)),
        tempos=tuple(map(clock.tempo_at, lines)),
        hits={kind: tuple(sorted(of_kind)) for kind, of_kind in hits.items()},
        unmapped=dict(sorted(unmapped.items())),
    )
