"""A MIDI file sounds at its times, with the sounds of its keys and velocities, and hi-hats end each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.audio import db_to_gain, peak
from rmod_pipeline.curation.drum_kit.measure import RATE
from rmod_pipeline.curation.drum_kit.play import PEAK_DB, PlayedKit, check_loop_file, play_midi, write_loop
from rmod_pipeline.curation.drum_kit.results import DrumKit
from rmod_pipeline.curation.drum_kit.write import StoredKit, read_kit, write_kit
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.patterns.drum_maps import DrumMap, load_drum_map
from rmod_pipeline.patterns.midi_file import MidiError
from tests.curation.drum_kit.kit_sounds import make_kit_of
from tests.tiny_grooves import CLOSED, KICK, OPEN, SNARE, TICKS, Hits, write_performance

GENERAL_MIDI = load_drum_map("general_midi")


def midi(folder: Path, hits: Hits, **options: object) -> bytes:
    return write_performance(folder / "groove.mid", hits, **options).read_bytes()  # type: ignore[arg-type]


def stored(folder: Path, kit: DrumKit) -> StoredKit:
    write_kit(kit, folder)
    return read_kit(folder)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> StoredKit:
    pads = {"kick": 1, "snare": 3, "hihat_closed": 1, "hihat_open": 1, "tom_low": 1}
    return stored(tmp_path_factory.mktemp("kit"), make_kit_of(pads))


def sound_of(kit: StoredKit, pad: str, number: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    audio, _ = soundfile.read(kit.sounds_of(pad)[number].path, dtype="float32")
    return np.asarray(audio)


@given(beats=st.lists(st.integers(0, 7), min_size=1, max_size=6, unique=True), bpm=st.sampled_from([60.0, 96.0, 133.7]))
@settings(max_examples=15)
def test_every_hit_begins_at_its_time(
    kit: StoredKit, tmp_path_factory: pytest.TempPathFactory, beats: list[int], bpm: float
) -> None:
    data = midi(tmp_path_factory.mktemp("midi"), [(beat * TICKS, KICK, 127) for beat in sorted(beats)], tempos={0: bpm})
    played = play_midi(kit, data, GENERAL_MIDI, "groove")
    # Every beat is longer than the sound, so no two overlap.
    sound, audio = sound_of(kit, "kick"), np.pad(played.audio[0], (0, 1))
    for beat in beats:
        start = round(beat * 60 / bpm * RATE)
        assert not audio[max(start - 100, 0) : max(start - 1, 0)].any(), "silence before the hit"
        parts = [audio[at : at + sound.size] for at in (start - 1, start, start + 1) if at >= 0]
        assert min(np.abs(part - sound).max() for part in parts) < 1e-5
    assert played.hits == {"kick": len(beats)} and not played.unplayed


def test_velocity_chooses_the_sound_and_its_level(kit: StoredKit, tmp_path: Path) -> None:
    hits = [(0, SNARE, 20), (4 * TICKS, SNARE, 60), (8 * TICKS, SNARE, 100)]
    audio = play_midi(kit, midi(tmp_path, hits), GENERAL_MIDI, "groove").audio[0]
    for number, (tick, _, velocity) in enumerate(hits):
        sound, start = sound_of(kit, "snare", number), tick * RATE // (2 * TICKS)
        part = audio[start : start + sound.size]
        assert np.abs(part - sound * np.float32((velocity + 1) / 128)).max() < 1e-5


def test_sounds_take_turns_in_a_round_robin(tmp_path: Path) -> None:
    turning = stored(tmp_path / "kit", make_kit_of({"snare": 2}, round_robin=True))
    hits = [(beat * 2 * TICKS, SNARE, 100) for beat in range(4)]
    audio = play_midi(turning, midi(tmp_path, hits), GENERAL_MIDI, "groove").audio[0]
    for beat in range(4):
        sound = sound_of(turning, "snare", beat % 2) * np.float32(101 / 128)
        assert np.abs(audio[beat * RATE :][: sound.size] - sound).max() < 1e-5


def test_a_closed_hihat_ends_an_open_one_and_nothing_else(kit: StoredKit, tmp_path: Path) -> None:
    step = TICKS // 32  # 16 ms at 120 bpm: long before the open hi-hat has ended
    both = play_midi(kit, midi(tmp_path, [(0, OPEN, 127), (step, CLOSED, 127)]), GENERAL_MIDI, "groove").audio[0]
    closed = sound_of(kit, "hihat_closed")
    start = step * RATE // (2 * TICKS)
    assert np.abs(both[start : start + closed.size] - closed).max() < 1e-5, "only the closed one sounds on"
    drum = play_midi(kit, midi(tmp_path, [(0, OPEN, 127), (step, KICK, 127)]), GENERAL_MIDI, "groove").audio[0]
    kick = sound_of(kit, "kick")
    assert np.abs(drum[start : start + kick.size] - kick).max() > 0.01


def test_the_mixture_never_clips(kit: StoredKit, tmp_path: Path) -> None:
    hits = [(0, key, 127) for key in (KICK, SNARE, CLOSED, 41)]
    audio = play_midi(kit, midi(tmp_path, hits), GENERAL_MIDI, "groove").audio
    assert peak(audio) <= db_to_gain(PEAK_DB) + 1e-6 and audio.shape[0] == 2


def test_keys_that_the_kit_lacks_are_counted(kit: StoredKit, tmp_path: Path) -> None:
    played = play_midi(
        kit, midi(tmp_path, [(0, KICK, 90), (TICKS, 56, 90), (2 * TICKS, 56, 90)]), GENERAL_MIDI, "groove"
    )
    assert played.hits == {"kick": 1} and played.unplayed == {56: 2}
    with pytest.raises(MidiError, match="no hit that the kit plays; its keys are 56"):
        play_midi(kit, midi(tmp_path, [(0, 56, 90)]), GENERAL_MIDI, "groove")
    with pytest.raises(MidiError, match="on other channels"):
        play_midi(kit, midi(tmp_path, [(0, KICK, 90)], is_drum=False), GENERAL_MIDI, "groove")


def test_other_maps_play_their_own_keys(kit: StoredKit, tmp_path: Path) -> None:
    data = midi(tmp_path, [(0, 22, 90), (TICKS, 26, 90)])
    assert play_midi(kit, data, load_drum_map("roland_td"), "groove").hits == {"hihat_closed": 1, "hihat_open": 1}
    own = DrumMap(name="mine", keys={"kick": (22,), "open_hihat": (26,)})
    assert play_midi(kit, data, own, "groove").hits == {"kick": 1, "hihat_open": 1}


def test_a_file_without_a_tempo_plays_at_120_bpm_and_in_any_metre(kit: StoredKit, tmp_path: Path) -> None:
    odd = play_midi(kit, midi(tmp_path, [(6 * TICKS, KICK, 127)], metres={0: (7, 8)}), GENERAL_MIDI, "groove")
    assert int((np.abs(odd.audio[0]) > 0.001).argmax()) == pytest.approx(3 * RATE, abs=200)


@pytest.mark.parametrize("data", [b"", b"MThd", b"RIFF----WAVE", b"MThd\0\0\0\6\0\2\0\1\0\x60"])
def test_what_is_no_midi_file_is_named(kit: StoredKit, data: bytes) -> None:
    with pytest.raises(MidiError):
        play_midi(kit, data, GENERAL_MIDI, "groove")


def test_a_file_that_is_too_long_is_refused(kit: StoredKit, tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="too long: 11 minutes"):
        play_midi(kit, midi(tmp_path, [(11 * 60 * TICKS, KICK, 90)], tempos={0: 60.0}), GENERAL_MIDI, "groove")


def test_a_missing_sound_is_named(tmp_path: Path) -> None:
    broken = stored(tmp_path / "kit", make_kit_of({"kick": 1}))
    broken.sounds[0].path.unlink()
    with pytest.raises(LibraryError, match=r"kick\.wav: is missing"):
        play_midi(broken, midi(tmp_path, [(0, KICK, 90)]), GENERAL_MIDI, "groove")


def test_a_loop_replaces_an_earlier_loop_and_no_other_file(kit: StoredKit, tmp_path: Path) -> None:
    played = play_midi(kit, midi(tmp_path, [(0, KICK, 90)]), GENERAL_MIDI, "groove")
    out = tmp_path / "loop.wav"
    write_loop(played, out)
    before = out.read_bytes()
    write_loop(played, out)
    assert out.read_bytes() == before and soundfile.info(str(out)).subtype == "PCM_24"
    write_loop(PlayedKit(audio=played.audio * np.float32(0.5), hits={}), out)
    for mine in (tmp_path / "mine.wav", kit.sounds[0].path, tmp_path / "groove.mid"):
        if not mine.exists():
            soundfile.write(mine, np.zeros(100), RATE)
        content = mine.read_bytes()
        with pytest.raises(UsageError, match="no loop that a kit has played"):
            write_loop(played, mine)
        assert mine.read_bytes() == content
    with pytest.raises(UsageError):
        check_loop_file(tmp_path)
