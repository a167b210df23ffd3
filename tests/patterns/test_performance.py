"""A performance has the hits of its file in exact time, and windows that begin at bars."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import miditoolkit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.patterns.drum_maps import load_drum_map
from rmod_pipeline.patterns.midi_file import MidiError
from rmod_pipeline.patterns.performance import Performance, read_performance
from tests.tiny_grooves import CLOSED, KICK, OPEN, RIDE, SNARE, TICKS, Hits, rock, write_performance

BAR = 4 * TICKS


def perform(folder: Path, hits: Hits, **options: object) -> Performance:
    path = write_performance(folder / "take.mid", hits, **options)  # type: ignore[arg-type]
    return read_performance(path.read_bytes(), load_drum_map("general_midi"), path)


def test_hits_are_at_the_times_of_the_file(tmp_path: Path) -> None:
    hits = rock(6)
    found = perform(tmp_path, hits, tempos={0: 97.0, 3 * BAR + 100: 143.5})
    seconds = miditoolkit.MidiFile(str(tmp_path / "take.mid")).get_tick_to_time_mapping()
    kinds = {KICK: "kick", SNARE: "snare", CLOSED: "hihat", OPEN: "open_hihat"}
    for key, kind in kinds.items():
        expected = [(seconds[tick], velocity) for tick, played, velocity in hits if played == key]
        times = [(time / found.units_per_second, velocity) for time, velocity in found.hits[kind]]
        assert [velocity for _, velocity in times] == [velocity for _, velocity in expected]
        assert [time for time, _ in times] == pytest.approx([time for time, _ in expected], abs=1e-6)
    assert found.bpm(0) == pytest.approx(97.0, abs=1e-3) and found.bpm(4) == pytest.approx(143.5, abs=1e-3)


def test_bars_end_with_the_last_hit(tmp_path: Path) -> None:
    found = perform(tmp_path, [(0, KICK, 90), (2 * BAR + 5, SNARE, 90)])
    assert [bar / found.units_per_second for bar in found.bars] == [0, 2, 4, 6]


def test_a_window_begins_at_an_early_hit_of_its_downbeat(tmp_path: Path) -> None:
    early, pickup = BAR - 20, 2 * BAR - TICKS // 8  # a 32nd before a bar is a note of its own
    found = perform(tmp_path, [(0, KICK, 90), (early, KICK, 80), (pickup, SNARE, 70), (3 * BAR, KICK, 60)])
    per_tick = found.units_per_second // (2 * TICKS)
    assert [found.start_of(bar) // per_tick for bar in range(3)] == [0, early, 2 * BAR]


def test_windows_hold_every_kind_and_end_in_time(tmp_path: Path) -> None:
    hits = [(bar * BAR, KICK, 90) for bar in range(8)]
    hits += [(3 * BAR + 10, SNARE, 90), (6 * BAR + 10, SNARE, 90), (7 * BAR, CLOSED, 80)]
    found = perform(tmp_path, hits)
    two_bars = 4 * found.units_per_second
    assert found.find_windows(two_bars, ("kick",)) == (0, 1, 2, 3, 4, 5, 6)
    assert found.find_windows(two_bars, ("kick", "snare")) == (2, 3, 5, 6)
    assert found.find_windows(two_bars, ("kick", "snare", "hihat")) == (6,)
    assert found.find_windows(two_bars, ("kick", "tom")) == ()
    assert found.find_windows(int(Fraction(17) * found.units_per_second), ("kick",)) == ()


PROBLEMS: dict[str, tuple[dict[str, Any], str]] = {
    "3/4": ({"metres": {0: (3, 4)}}, "metre 3/4"),
    "changing metre": ({"metres": {0: (4, 4), BAR: (3, 4)}}, "changing metre: 3/4, 4/4"),
    "melody": ({"is_drum": False}, "no drums: no note on channel 10"),
    "crawling": ({"tempos": {0: 10.0}}, "odd tempo: 10"),
    "racing": ({"tempos": {0: 120.0, 900: 900.0}}, "odd tempo: 900"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_makes_a_file_no_performance_is_said(tmp_path: Path, name: str) -> None:
    options, found = PROBLEMS[name]
    with pytest.raises(MidiError, match=found):
        perform(tmp_path, rock(2), **options)


def test_files_without_tempo_or_drums_or_an_end_are_none(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="no drums"):
        perform(tmp_path, [])
    with pytest.raises(MidiError, match=r"too long: 27 minutes; up to 20 are used"):
        perform(tmp_path, [(0, KICK, 90), (800 * BAR, KICK, 90)])
    path = write_performance(tmp_path / "plain.mid", rock(1))
    tempo = path.read_bytes().index(b"\xff\x51\x03")
    silent = bytearray(path.read_bytes())
    silent[tempo + 1] = 0x7F  # another event of the same length
    with pytest.raises(MidiError, match="no tempo"):
        read_performance(bytes(silent), load_drum_map("general_midi"), "plain.mid")
    with pytest.raises(MidiError, match="the map general_midi has none of its keys, 20"):
        perform(tmp_path, [(0, 20, 90)])


@given(st.integers(0, 127))
def test_keys_without_a_kind_are_counted(tmp_path_factory: pytest.TempPathFactory, key: int) -> None:
    found = perform(tmp_path_factory.mktemp("midi"), [(0, KICK, 90), (5, key, 90), (BAR, RIDE, 90)])
    known = load_drum_map("general_midi").kinds_by_key()
    assert found.unmapped == ({} if key in known else {key: 1})
