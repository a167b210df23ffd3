"""Laws of the reader of folders of pairs: names decide, in every common layout, and nothing vanishes unseen."""

from __future__ import annotations

import os
import random
from pathlib import Path, PurePosixPath

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.pairs.folder import list_pair_folder
from rmod_pipeline.library.pairs.names import MIX, parse_sound_name
from rmod_pipeline.library.pairs.onsets import KnownHit, frames_of_known_hits, read_known_hits

WORDS = {
    MIX: ["mix", "Mixed", "mixture"],
    "kick": ["kick", "Kick", "BD", "kick-drum"],
    "hihat": ["hihat", "Hi-Hat", "HH"],
}

keys = st.from_regex(r"[a-z][0-9]{1,4}|[0-9]{1,6}|take [0-9]{1,3}", fullmatch=True)
sounds = st.sampled_from([(sound, word) for sound, words in WORDS.items() for word in words])


@given(keys, sounds)
def test_each_layout_says_the_same(key: str, named: tuple[str, str]) -> None:
    sound, word = named
    paths = [f"{key}.{word}.wav", f"{key}_{word}.wav", f"{key}-{word}.flac", f"{word}/{key}.wav", f"{key}/{word}.aiff"]
    for path in (*paths, *(f"audio/{path}" for path in paths)):
        name = parse_sound_name(PurePosixPath(path))
        assert (name.key, name.sound, name.split) == (key, sound, ""), path


@pytest.mark.parametrize(
    ("path", "split", "key", "sound"),
    [
        ("wavs/19_mixed.wav", "", "19", "mix"),
        ("kick/predicted/19_mixed_kick_p.wav", "", "19", "kick"),
        ("19_kick_t.wav", "", "19", "kick"),
        ("drum_data_test/mixed_loops/3.wav", "test", "3", "mix"),
        ("val/snare/01.wav", "valid", "01", "snare"),
        ("train-00000003.mix.wav", "", "train-00000003", "mix"),
        ("rock/01.mix.wav", "", "rock/01", "mix"),
        ("mix/808.wav", "", "808", "mix"),
        ("mix/song_snare.wav", "", "song_snare", "mix"),
        ("kick/song_snare.wav", "", "song_snare", "kick"),
        ("loop_kick.wav", "", "loop", "kick"),
        ("808.wav", "", "808", ""),
        ("01.bass.wav", "", "01.bass", ""),
        ("mix.wav", "", "", "mix"),
    ],
)
def test_names_that_could_be_read_in_two_ways(path: str, split: str, key: str, sound: str) -> None:
    name = parse_sound_name(PurePosixPath(path))
    assert (name.split, name.key, name.sound) == (split, key, sound)


def test_every_file_is_in_a_pair_or_left_out(tmp_path: Path) -> None:
    names = ["2.mix.wav", "10.mix.wav", "10.kick.wav", "kick/10.wav", "readme.wav", "mix.wav", "2.kick.ogg", "9.m4a"]
    for name in (*names, "2.mid", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    folder = list_pair_folder(tmp_path)
    assert [(pair.key, pair.onsets) for pair in folder.pairs] == [("2", "2.mid")]
    used = {path for pair in folder.pairs for path in pair.sounds.values()}
    left_out = " ".join(f"{each.name} {each.detail}" for each in folder.left_out)
    assert all(name in used or name in left_out or name == "10.mix.wav" for name in names), left_out


def test_pairs_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in random.Random(0).sample(range(200), 200):
        (tmp_path / f"take{number}.mix.wav").write_bytes(b"")
    assert [pair.key for pair in list_pair_folder(tmp_path).pairs] == [f"take{number}" for number in range(200)]


def test_a_link_that_leaves_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"")
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "1.mix.wav").symlink_to(tmp_path / "secret.wav")
    folder = list_pair_folder(tmp_path / "pairs")
    assert not folder.pairs
    assert "leaves the folder" in folder.left_out[0].reason


@pytest.mark.parametrize("suffix", [".mid", ".midi", ".csv"])
def test_links_to_known_hits_are_used_as_links_to_sounds_are(suffix: str, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for key in "12345":
        (pairs / f"{key}.mix.wav").write_bytes(b"")
    (tmp_path / f"secret{suffix}").write_text("kind,seconds\nkick,secret\n")
    (pairs / ".hidden").write_text("kind,seconds\nkick,1\n")
    for key, target in (("1", tmp_path / f"secret{suffix}"), ("2", pairs / "nowhere"), ("3", pairs / ".hidden")):
        (pairs / f"{key}{suffix}").symlink_to(target)
    os.mkfifo(pairs / f"4{suffix}")
    (pairs / f"5{suffix}").write_text("kind,seconds\nkick,1\n")
    folder = list_pair_folder(pairs)
    assert [pair.onsets for pair in folder.pairs] == ["", "", f"3{suffix}", "", f"5{suffix}"]
    reasons = {each.name: each.reason for each in folder.left_out}
    assert set(reasons) == {f"1{suffix}", f"2{suffix}"}
    assert "leaves the folder" in reasons[f"1{suffix}"]


@pytest.mark.parametrize(
    ("row", "column", "found"),
    [
        ("kick,ten,", "seconds", "'ten' is not a number"),
        ("kick,nan,", "seconds", "nan is not a finite number"),
        ("kick,-1,", "seconds", "-1 s is before the beginning"),
        ("kick,1,inf", "velocity", "inf is not a finite number"),
        ("kick,1,nan", "velocity", "nan is not a finite number"),
        ("kick,1,loud", "velocity", "'loud' is not a number"),
        ("kick,1,1e300", "velocity", "1e+300 is no MIDI velocity"),
    ],
)
def test_a_cell_that_is_no_number_is_named(row: str, column: str, found: str) -> None:
    """The bytes that were checked are read, and not the file again: there is none."""
    data = f"kind,seconds,velocity\nkick,0.5,\n{row}\n".encode()
    with pytest.raises(AssetError) as caught:
        read_known_hits(Path("hits.csv"), data, ("kick",))
    assert caught.value.about == f"hits.csv, line 3, column {column}"
    assert caught.value.found == found
    assert caught.value.hint


@given(st.floats(0, allow_nan=False, allow_infinity=False), st.integers(1, 192_000))
def test_hits_at_any_time_are_placed_or_come_after_the_end(seconds: float, sample_rate: int) -> None:
    data = f"kind,seconds\nkick,{seconds!r}\n".encode()
    hits = read_known_hits(Path("hits.csv"), data, ("kick",))
    placed = frames_of_known_hits(hits, sample_rate, 1_000)["kick"]
    assert bool(placed) == (seconds * sample_rate + 0.5 < 1_000)


def midi_bytes(path: Path) -> bytes:
    midi = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=400_000)])
    track += [mido.Message("note_on", channel=9, note=note, velocity=90, time=120) for note in (36, 38, 42, 36)]
    midi.tracks.append(track)
    midi.save(path)
    return path.read_bytes()


def test_a_damaged_midi_file_is_refused_or_read(tmp_path: Path) -> None:
    """No mutation of a file ends in any other error."""
    path, generator, refused = tmp_path / "hits.mid", random.Random(1), 0
    data = midi_bytes(path)
    assert set(read_known_hits(path, data, ("kick", "snare"))) == {"kick", "snare"}
    for _ in range(2_000):
        mutated = bytearray(data)
        for _ in range(generator.randint(1, 4)):
            mutated[generator.randrange(len(mutated))] = generator.randrange(256)
        try:
            read_known_hits(path, bytes(mutated[: generator.randint(1, len(mutated))]), ("kick", "snare"))
        except AssetError as error:
            assert error.hint
            refused += 1
    assert 0 < refused <= 2_000


def test_tracks_with_the_name_of_a_kind_hold_its_hits(tmp_path: Path) -> None:
    midi = mido.MidiFile()
    for name in ("Kick", "Snare Drum"):
        note = mido.Message("note_on", channel=3, note=60, velocity=50, time=480)
        midi.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name=name), note]))
    path = tmp_path / "hits.mid"
    midi.save(path)
    hit = (KnownHit(0.5, 50),)
    assert read_known_hits(path, path.read_bytes(), ("kick", "snare")) == {"kick": hit, "snare": hit}


@given(st.lists(st.builds(KnownHit, st.floats(0, 10), st.integers(1, 127)), max_size=20))
def test_hits_keep_their_frames_to_half_a_frame(hits: list[KnownHit]) -> None:
    placed = frames_of_known_hits({"kick": tuple(hits)}, 8_000, 40_000)["kick"]
    frames = [frame for frame, _ in placed]
    assert frames == sorted(set(frames))
    for hit in hits:
        nearest = round(hit.seconds * 8_000)
        assert nearest >= 40_000 - 1 or any(abs(frame - hit.seconds * 8_000) <= 0.5001 for frame in frames)
