"""Extraction: windows where drums are, the sounds that a model knows by heart, the same bytes for the same seed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.dose.checkpoint import load_dose_model, read_dose_checkpoint
from rmod_pipeline.errors import AssetError, CodecError, DoseError, RmodError, UsageError
from rmod_pipeline.extraction import output
from rmod_pipeline.extraction import song as songs
from rmod_pipeline.extraction.extract import _batches, extract, extract_song, ranked, tries_of
from rmod_pipeline.extraction.extractor import extractor_of, open_extractors
from rmod_pipeline.extraction.onsets import detect_onsets, hits_of, pick_windows
from rmod_pipeline.extraction.output import write_extraction
from rmod_pipeline.extraction.polish import polish
from rmod_pipeline.extraction.results import Candidate, Extraction, ExtractionConfig, Window
from rmod_pipeline.extraction.song import SongPart, mono_blocks, read_parts, song_of_array, song_of_file
from rmod_pipeline.library import long_files
from tests.tiny_codec import noise
from tests.tiny_dose import AT, FRAMES, RATE, SOUNDS, WINDOW_SECONDS, World, make_song, write_model

PLANTED = {
    "kick": [10.0, 10.5, 11.0, 11.5, 40.0],
    "snare": [25.0, 25.5, 26.0, 26.5, 41.0],
    "hihat": [45.0 + 0.25 * hit for hit in range(12)],
}


@pytest.fixture(scope="module")
def opened(by_heart: World) -> Any:
    return open_extractors(by_heart.folder, codec=str(by_heart.weights), device="cpu")


@pytest.fixture(scope="module")
def made(by_heart: World, opened: Any) -> Extraction:
    return extract(by_heart.song, RATE, *opened, ExtractionConfig(at=AT, tries=3, trim=False, normalize=False))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def candidate(sound: Any, number: int = 0, log_probability: float = -1.0, silent: bool = False) -> Candidate:
    return Candidate(
        window=0,
        number=number,
        seed=0,
        temperature=1.0,
        top_p=1.0,
        log_probability=log_probability,
        silent=silent,
        gain_db=0.0,
        codes=np.zeros((1, 1), np.uint16),
        audio=sound,
    )


def window(audio: Any) -> Window:
    return Window(seconds=0.0, clarity_db=None, hits=(), audio=audio.astype(np.float32))


def test_the_best_is_what_most_tries_agree_on_and_not_the_likeliest() -> None:
    kick = SOUNDS["kick"]().astype(np.float32)
    alike = [candidate(kick[: 6000 + 300 * number], number) for number in range(3)]
    odd = candidate(SOUNDS["hihat"]().astype(np.float32), 3, log_probability=-0.1)
    quiet = candidate(np.zeros(99, np.float32), 4, log_probability=0.0, silent=True)
    first, *others = ranked([quiet, odd, *alike], "snare", [window(kick)], 44_100)
    assert first.number in {0, 1, 2}
    assert [each.number for each in others[-2:]] == [3, 4]
    assert [each.apart for each in [first, *others[:-1]]] == sorted(each.apart for each in [first, *others[:-1]])
    assert others[-1].apart is None, "silence says nothing about the others"


def test_of_two_candidates_neither_is_nearer_to_the_others_and_the_surer_is_taken() -> None:
    one, other = (SOUNDS[name]().astype(np.float32) for name in ("kick", "hihat"))
    best, worse = ranked([candidate(one, 0, -2.0), candidate(other, 1, -1.0)], "kick", [window(one)], 44_100)
    assert (best.number, worse.number) == (1, 0)
    assert best.apart is None
    assert best.misfit_db is None


def test_of_kicks_the_one_that_is_found_in_the_music_counts_more_than_the_many_that_are_not() -> None:
    kick = SOUNDS["kick"]().astype(np.float32)
    higher = [resample(kick, round(kick.size * (1 - step / 20))).astype(np.float32) for step in (8, 9, 10)]
    music = np.zeros(4 * 44_100, np.float32)
    for start in (0, 30_000, 77_777, 120_000):
        music[start : start + kick.size] += 0.4 * kick[: music.size - start]
    music += 0.01 * np.random.default_rng(0).standard_normal(music.size).astype(np.float32)
    made = [candidate(sound, number) for number, sound in enumerate([*higher, kick])]
    by_music = ranked(made, "kick", [window(music)], 44_100)
    assert by_music[0].number == 3
    misfits = [each.misfit_db for each in by_music if each.misfit_db is not None]
    assert len(misfits) == 4
    assert misfits[0] == min(misfits)
    # Asked of a drum whose misfit does not count, the many win.
    assert ranked(made, "snare", [window(music)], 44_100)[0].number != 3


def test_clicks_are_ranked_too() -> None:
    clicks = [candidate(np.full(30 + number, 0.5, np.float32), number) for number in range(3)]
    ranks = ranked(clicks, "kick", [window(np.random.default_rng(0).uniform(-1, 1, 9000))], 44_100)
    assert all(each.apart is not None and np.isfinite(each.apart) for each in ranks)


# Known by heart


def test_what_was_learned_by_heart_comes_out(by_heart: World, made: Extraction) -> None:
    assert [each.instrument for each in made.instruments] == ["kick", "snare", "hihat"]
    for extracted in made.instruments:
        assert len(extracted.candidates) == len(AT) * 4
        assert sorted(window.seconds for window in extracted.windows) == list(AT)
        for candidate in extracted.candidates:
            if candidate.number == 0:
                assert np.array_equal(candidate.codes, by_heart.targets[extracted.instrument][candidate.window])
        assert extracted.best.number == 0


def test_the_sound_is_the_decoded_target(by_heart: World, made: Extraction, tmp_path: Path) -> None:
    best = write_extraction(made, tmp_path / "out")
    assert list(best) == ["kick", "snare", "hihat"]
    for extracted in made.instruments:
        heard, rate = soundfile.read(best[extracted.instrument], dtype="int16")
        target = by_heart.codec.decode(by_heart.targets[extracted.instrument][[extracted.best.window]])[0]
        assert rate == RATE
        assert np.array_equal(heard, to_pcm(target[None])[0])


def test_the_folder_says_where_each_sound_comes_from(by_heart: World, made: Extraction, tmp_path: Path) -> None:
    write_extraction(made, tmp_path)
    said = json.loads((tmp_path / "extraction.json").read_text())
    files = {sound["file"]: sound for sound in said["sounds"]}
    assert set(files) == set(content(tmp_path)) - {"extraction.json"}
    assert said["codec"] == by_heart.codec.identity.to_dict()
    assert len(files) == 3 * len(AT) * 4
    for extracted in made.instruments:
        first = files[f"{extracted.instrument}.wav"]
        assert first["window_seconds"] in AT
        assert (first["try"], first["silent"], first["codec"]) == (0, False, by_heart.codec.name)
        assert first["checkpoint"]["step"] == 7
        assert len(first["checkpoint"]["sha256"]) == 64
        apart = [s["apart"] for s in said["sounds"] if s["instrument"] == extracted.instrument]
        assert apart == sorted(apart)
    assert files["kick.wav"]["checkpoint"]["file"] == "kick.pth"
    assert files["hihat.wav"]["checkpoint"]["file"] == "snare-hihat.pth"
    assert len({sound["seed"] for sound in said["sounds"]}) == 4


def test_the_same_seed_gives_the_same_bytes_another_gives_other_seeds(
    by_heart: World, opened: Any, tmp_path: Path
) -> None:
    asked = ExtractionConfig(at=(0.3, 1.7), tries=2, temperature=5.0, top_p=1.0)
    for name, how in (("one", asked), ("two", asked), ("other", replace(asked, seed=1))):
        write_extraction(extract(by_heart.song, RATE, *opened, how), tmp_path / name)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert content(tmp_path / "one") != content(tmp_path / "other")


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_batch_changes_nothing(by_heart: World, opened: Any, made: Extraction, batch: int) -> None:
    again = extract(by_heart.song, RATE, *opened, replace(made.asked, batch=batch))
    for one, other in zip(made.instruments, again.instruments, strict=True):
        for first, second in zip(
            sorted(one.candidates, key=lambda each: (each.window, each.number)),
            sorted(other.candidates, key=lambda each: (each.window, each.number)),
            strict=True,
        ):
            assert np.array_equal(first.codes, second.codes)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20))
def test_batches_hold_every_try_of_every_window_once(windows: int, tries: int, batch: int) -> None:
    parts = list(_batches(windows, tries, batch))
    assert sorted((w, t) for at, numbers in parts for w in at for t in numbers) == [
        (w, t) for w in range(windows) for t in range(tries)
    ]
    assert all(len(at) * len(numbers) <= batch for at, numbers in parts)


def test_tries_are_one_greedy_and_others_with_seeds_of_their_own() -> None:
    first, *sampled = tries_of(ExtractionConfig(tries=5, top_p=0.8, temperature=0.7))
    assert first.temperature == 0
    assert len({each.seed for each in sampled}) == 5
    assert {(each.top_p, each.temperature) for each in sampled} == {(0.8, 0.7)}
    # More tries leave the first ones as they were.
    assert tries_of(ExtractionConfig(tries=2, top_p=0.8, temperature=0.7)) == [first, *sampled[:2]]


def test_an_earlier_extraction_is_replaced_and_nothing_else_touched(
    by_heart: World, opened: Any, made: Extraction, tmp_path: Path
) -> None:
    write_extraction(made, tmp_path)
    (tmp_path / "mine.wav").write_bytes(b"mine")
    said = json.loads((tmp_path / "extraction.json").read_text())
    said["sounds"] += [{"file": "../outside.wav"}, {"file": "/etc/passwd"}, {"file": "candidates/../mine.wav"}]
    (tmp_path / "extraction.json").write_text(json.dumps(said))
    extractors, codec = opened
    write_extraction(
        extract(by_heart.song, RATE, extractors[:1], codec, ExtractionConfig(at=(0.0,), tries=1)), tmp_path
    )
    assert set(content(tmp_path)) == {"kick.wav", "candidates/kick-02.wav", "extraction.json", "mine.wav"}
    write_extraction(
        extract(by_heart.song, RATE, extractors[:1], codec, ExtractionConfig(at=(0.0,), tries=0)), tmp_path
    )
    assert set(content(tmp_path)) == {"kick.wav", "extraction.json", "mine.wav"}
    assert not (tmp_path / "candidates").exists()


@pytest.mark.parametrize("name", ["kick.wav", "candidates/kick-02.wav", "extraction.json"])
def test_a_file_that_no_extraction_wrote_is_left(name: str, made: Extraction, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    with pytest.raises(DoseError, match=r"is there already, and .*\n.*choose another --out, or move this file away"):
        write_extraction(made, tmp_path)
    assert content(tmp_path) == {name: b"{}"}


def test_what_a_stopped_extraction_left_is_replaced_by_the_next(
    made: Extraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = output.publish_bytes

    def stopped(data: bytes, path: Path, drafts: Path) -> None:
        if path.name == "hihat.wav":
            raise KeyboardInterrupt
        publish(data, path, drafts)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(output, "publish_bytes", stopped)
        write_extraction(made, tmp_path)
    assert (tmp_path / "kick.wav").exists()
    write_extraction(made, tmp_path)
    write_extraction(made, tmp_path.with_name("whole"))
    assert content(tmp_path) == content(tmp_path.with_name("whole"))


def test_progress_is_told_to_the_end(by_heart: World, opened: Any) -> None:
    told: list[tuple[str, float, float]] = []
    extract(by_heart.song, RATE, *opened, ExtractionConfig(at=AT, tries=1), on_step=lambda *step: told.append(step))
    last = {what: (done, total) for what, done, total in told}
    end = pytest.approx(3.0 + WINDOW_SECONDS)
    assert last == {"listening": (4.0, 4.0), "reading": (end, end), "extracting": (24, 24)}


def test_silent_candidates_come_last(by_heart: World, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extractors, codec = opened
    decode = codec.decode
    surest = extract(by_heart.song, RATE, extractors[:1], codec, ExtractionConfig(at=AT, tries=0)).instruments[0].best
    quiet = by_heart.targets["kick"][surest.window]
    monkeypatch.setattr(
        codec, "decode", lambda codes: decode(codes) * (0.0001 if np.array_equal(codes[0], quiet) else 1.0)
    )
    made = (
        extract(by_heart.song, RATE, extractors[:1], codec, ExtractionConfig(at=AT, tries=0)).instruments[0].candidates
    )
    assert [each.silent for each in made] == [False, False, False, True]
    assert made[-1].window == surest.window
    assert made[-1].gain_db == 0


# Where drums are heard


def test_windows_are_where_the_drums_were_planted() -> None:
    song = make_song(60, PLANTED)
    heard = detect_onsets(mono_blocks(song_of_array(song, RATE), RATE), RATE)
    for instrument, planted in PLANTED.items():
        hits = hits_of(instrument, heard)
        clear = hits.seconds[hits.clarity_db > 20]
        assert len(clear) == len(planted)
        np.testing.assert_allclose(clear, planted, atol=0.025)
        first, second = pick_windows(hits, heard, 4.0, 2)
        assert first.seconds == pytest.approx(planted[0] - 0.1, abs=0.03)
        assert first.clarity_db is not None
        assert first.clarity_db > 20
        assert abs(first.seconds - second.seconds) >= 2.0
    # The second kick window is the lone hit far away, not the same bar again.
    assert pick_windows(hits_of("kick", heard), heard, 4.0, 2)[1].seconds == pytest.approx(39.9, abs=0.03)


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_how_loud_a_song_is_changes_no_window(gain: float) -> None:
    song = make_song(20, {"kick": [3.0, 12.0], "hihat": [7.0]}) * np.float32(gain)
    heard = detect_onsets(mono_blocks(song_of_array(song, RATE), RATE), RATE)
    assert pick_windows(hits_of("kick", heard), heard, 4.0, 1)[0].seconds == pytest.approx(2.9, abs=0.03)


def test_windows_are_spread_over_a_steady_song() -> None:
    song = make_song(64, {"kick": np.arange(0.5, 63, 0.5).tolist()})
    heard = detect_onsets(mono_blocks(song_of_array(song, RATE), RATE), RATE)
    starts = sorted(place.seconds for place in pick_windows(hits_of("kick", heard), heard, 4.0, 4))
    assert len(starts) == 4
    assert min(np.diff(starts)) >= 60 / 8


def test_without_any_hit_the_loudest_windows_are_taken() -> None:
    song = np.zeros(30 * RATE, np.float32)
    song[20 * RATE : 22 * RATE] = 0.1 * np.hanning(2 * RATE) * np.sin(np.arange(2 * RATE) * 0.06)
    heard = detect_onsets(mono_blocks(song_of_array(song, RATE), RATE), RATE)
    places = pick_windows(hits_of("hihat", heard), heard, 4.0, 3)
    assert places
    for place in places:
        assert place.clarity_db == 0
        assert 16 < place.seconds < 22


# Files of any kind


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (22_050, 2), (44_100, 6), (48_000, 2), (96_000, 1)])
def test_any_rate_and_channels_become_mono_at_the_codecs_rate(rate: int, channels: int, tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(2 * rate) / rate)
    weights = np.linspace(0.5, 1.5, channels) if channels > 1 else np.ones(1)
    soundfile.write(tmp_path / "a.wav", tone[:, None] * weights * 0.5, rate, subtype="FLOAT")
    heard = np.concatenate(list(mono_blocks(song_of_file(tmp_path / "a.wav"), RATE)))
    expected = 0.25 * np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE)
    assert abs(heard.size - expected.size) <= 1
    inner = slice(2000, 2 * RATE - 2000)
    np.testing.assert_allclose(heard[inner], expected[inner], atol=2e-3)


@pytest.mark.parametrize("rate", [32_000, RATE])
def test_a_file_in_blocks_is_the_array_at_once(rate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make_song(30, {"kick": [4.0, 20.0], "snare": [9.0]}, rate)
    stereo = np.stack([song, 0.5 * song])
    soundfile.write(tmp_path / "song.wav", stereo.T, rate, subtype="FLOAT")
    parts = [SongPart(start=start, samples=5000) for start in (0, 700_000, 30 * RATE - 2000, 123)]

    def all_of(given: songs.Song) -> Any:
        heard = detect_onsets(mono_blocks(given, RATE), RATE)
        return heard, pick_windows(hits_of("kick", heard), heard, 4.0, 3), read_parts(given, RATE, parts)

    monkeypatch.setattr(songs, "BLOCK", 10**9)
    whole, places, read = all_of(song_of_array(stereo, rate))
    for size in (1 << 16, 1111):
        monkeypatch.setattr(long_files, "BLOCK", size)
        again, again_places, again_read = all_of(song_of_file(tmp_path / "song.wav"))
        assert again_places == places
        assert again.seconds == whole.seconds
        for band, levels in whole.levels_db.items():
            assert np.array_equal(levels, again.levels_db[band])
        for part in parts:
            assert np.array_equal(read[part], again_read[part])


def test_parts_are_what_stands_there_and_silence_after_the_end() -> None:
    song = noise(1, RATE)[0]
    parts = [SongPart(start=start, samples=1000) for start in (0, 500, RATE - 300)]
    read = read_parts(song_of_array(song, RATE), RATE, parts)
    assert np.array_equal(read[parts[1]], song[500:1500])
    assert np.array_equal(read[parts[2]][:300], song[-300:])
    assert not read[parts[2]][300:].any()


def test_a_file_and_its_array_give_the_same_extraction(by_heart: World, opened: Any, tmp_path: Path) -> None:
    song = np.stack([by_heart.song, 0.7 * by_heart.song])
    soundfile.write(tmp_path / "song.wav", song.T, RATE, subtype="FLOAT")
    asked = ExtractionConfig(windows=2, tries=1, temperature=3.0)
    of_file = extract_song(song_of_file(tmp_path / "song.wav"), *opened, asked)
    of_array = extract(song, RATE, *opened, asked)
    for one, other in zip(of_file.instruments, of_array.instruments, strict=True):
        assert [each.seconds for each in one.windows] == [each.seconds for each in other.windows]
        assert [each.audio.tobytes() for each in one.candidates] == [each.audio.tobytes() for each in other.candidates]


def test_a_long_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    rate, seconds = 8_000, 1_200
    with soundfile.SoundFile(tmp_path / "long.wav", "w", rate, 1, "PCM_16") as file:
        for _ in range(seconds // 60):
            file.write(make_song(60, {"kick": [5.0, 30.0]}, rate))
    tracemalloc.start()
    heard = detect_onsets(mono_blocks(song_of_file(tmp_path / "long.wav"), 16_000), 16_000)
    read_parts(song_of_file(tmp_path / "long.wav"), 16_000, [SongPart(start=16_000 * 1_190, samples=64_000)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert heard.seconds == pytest.approx(seconds)
    assert peak < seconds * 16_000 * 4 / 3


# Polish


def test_a_sound_is_cut_where_silence_begins_and_fades() -> None:
    sound = np.concatenate([0.3 * np.ones(1000), 1e-5 * np.ones(5000)]).astype(np.float32)
    made = polish(sound, RATE)
    fade = round(0.005 * RATE)
    assert made.audio.size == 1000 + fade
    assert made.audio[-1] == 0
    assert float(np.abs(made.audio).max()) == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    assert made.gain_db == pytest.approx(20 * np.log10(10 ** (-1 / 20) / 0.3), abs=1e-3)
    left = polish(sound, RATE, trim=False, normalize=False)
    assert np.array_equal(left.audio, sound)
    assert left.gain_db == 0


def test_a_sound_that_does_not_end_is_faded_at_its_end() -> None:
    made = polish(np.ones(4000, np.float32), RATE, normalize=False)
    assert made.audio.size == 4000
    assert made.audio[-1] == 0
    assert bool((made.audio[:3700] == 1).all())
    assert polish(np.ones(10, np.float32), RATE).audio.size == 10


def test_what_would_clip_is_turned_down_and_silence_is_left() -> None:
    assert float(np.abs(polish(2 * np.ones(2000, np.float32), RATE, normalize=False).audio).max()) == 1.0
    silent = polish(1e-4 * np.ones(2000, np.float32), RATE)
    assert silent.silent
    assert silent.gain_db == 0
    assert silent.audio.size == 2000


# What cannot be


def test_a_short_song_is_padded_and_said_to_be(by_heart: World, opened: Any) -> None:
    made = extract(by_heart.song[: round(0.5 * RATE)], RATE, *opened, ExtractionConfig(tries=0))
    assert any("0.50 s; silence was added" in note for note in made.notes)
    for each in made.instruments:
        assert len(each.windows) == 1
        assert each.windows[0].audio.size == round(WINDOW_SECONDS * RATE)
        assert each.best.codes.shape[1] == FRAMES


def test_a_drum_that_is_not_there_is_said_to_be_unheard(opened: Any) -> None:
    made = extract(make_song(6.0, {"kick": [2.0]}), RATE, *opened, ExtractionConfig(tries=0, windows=1))
    assert any("No clear snare" in note for note in made.notes)
    assert not any("kick" in note for note in made.notes)


def test_a_model_that_knows_no_end_is_said_to_know_none(by_heart: World, opened: Any) -> None:
    extractors, codec = opened
    asked = ExtractionConfig(at=(0.0,), tries=0)
    assert not extract(by_heart.song, RATE, extractors, codec, asked).notes
    kick, *others = extractors
    made = extract(by_heart.song, RATE, [replace(kick, knows_the_end=False), *others], codec, asked)
    (note,) = made.notes
    assert "the end of a sound means nothing (kick)" in note
    assert "tail: learned" in note


@pytest.mark.parametrize("tail", ["learned", "masked"])
def test_whether_a_model_knows_the_end_is_in_its_recipe(tail: str, by_heart: World) -> None:
    checkpoint = read_dose_checkpoint(by_heart.folder / "kick.pth")
    loss = checkpoint.recipe.loss.model_copy(update={"tail": tail})
    other = replace(checkpoint, recipe=checkpoint.recipe.model_copy(update={"loss": loss}))
    made = extractor_of(other, "kick", load_dose_model(other))
    assert made.knows_the_end == (tail == "learned")


def test_a_window_near_the_end_is_moved_forward(by_heart: World, opened: Any) -> None:
    extractors, codec = opened
    made = extract(by_heart.song, RATE, extractors[:1], codec, ExtractionConfig(at=(3.9, 3.8), tries=0))
    assert [each.seconds for each in made.instruments[0].windows] == [pytest.approx(4 - WINDOW_SECONDS)]


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (np.zeros(RATE, np.float32), "silent"),
        (np.stack([noise(1, RATE)[0], -noise(1, RATE)[0]]), "silent.*2 channels are averaged"),
        (noise(1, 4000)[0], "too short"),
        (np.full(RATE, np.nan, np.float32), "NaN"),
        (np.zeros((2, 3, 4), np.float32), "not floats"),
        (noise(2, 10 * RATE).T, r"441000 channels of 2 samples.*\n.*transpose it"),
        (np.zeros(RATE, np.int16), "not floats"),
        (np.zeros(0, np.float32), "not floats"),
    ],
)
def test_audio_that_cannot_be_extracted_from_is_named(opened: Any, audio: Any, says: str) -> None:
    with pytest.raises(DoseError, match=says):
        extract(audio, RATE, *opened)


def test_places_that_cannot_be_are_named(by_heart: World, opened: Any) -> None:
    half = by_heart.song.copy()
    half[2 * RATE :] = 0
    with pytest.raises(UsageError, match=r"--at 4.*beyond the end: the song has 4.00 s"):
        extract(by_heart.song, RATE, *opened, ExtractionConfig(at=(1.0, 4.0)))
    with pytest.raises(UsageError, match=r"--at 3.*silence"):
        extract(half, RATE, *opened, ExtractionConfig(at=(3.0,)))


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"windows": 0}, "--windows"),
        ({"tries": -1}, "--tries"),
        ({"batch": 0}, "--batch"),
        ({"at": (-1.0,)}, "--at"),
        ({"at": (float("nan"),)}, "--at"),
        ({"temperature": 0.0}, "--temperature"),
        ({"temperature": float("nan")}, "--temperature"),
        ({"top_p": 0.0}, "--top-p"),
        ({"top_p": 2.0}, "--top-p"),
    ],
)
def test_what_cannot_be_asked_for_names_its_option(wrong: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        ExtractionConfig(**wrong)


def test_checkpoints_are_found_by_what_they_extract(by_heart: World) -> None:
    codec = str(by_heart.weights)
    by_name, _ = open_extractors(by_heart.folder, ["hihat"], codec, "cpu")
    assert [(each.instrument, each.place, each.source["file"]) for each in by_name] == [("hihat", 1, "snare-hihat.pth")]
    in_order, _ = open_extractors(by_heart.folder, ["hihat", "kick"], codec, "cpu")
    assert [each.instrument for each in in_order] == ["hihat", "kick"]
    of_file, _ = open_extractors(by_heart.folder / "snare-hihat.pth", (), codec, "cpu")
    assert [each.instrument for each in of_file] == ["snare", "hihat"]
    assert of_file[0].model is of_file[1].model


def test_other_files_in_a_folder_are_left_out(by_heart: World, tmp_path: Path) -> None:
    (tmp_path / "codec.pth").write_bytes(by_heart.weights.read_bytes())
    (tmp_path / "kick.pth").write_bytes((by_heart.folder / "kick.pth").read_bytes())
    extractors, _ = open_extractors(tmp_path, (), str(by_heart.weights), "cpu")
    assert [each.instrument for each in extractors] == ["kick"]
    (tmp_path / "kick.pth").unlink()
    with pytest.raises(DoseError, match=r"no DOSE checkpoint among 1 \.pth files"):
        open_extractors(tmp_path, (), str(by_heart.weights), "cpu")


def test_a_checkpoint_of_another_name_is_found_too(by_heart: World, tmp_path: Path) -> None:
    (tmp_path / "kick.pth").write_bytes((by_heart.folder / "kick.pth").read_bytes())
    (tmp_path / "others.pth").write_bytes((by_heart.folder / "snare-hihat.pth").read_bytes())
    (tmp_path / "snare.pth").write_bytes(by_heart.weights.read_bytes())
    for asked in (["kick", "snare"], ["snare"], ["hihat", "kick"]):
        extractors, _ = open_extractors(tmp_path, asked, str(by_heart.weights), "cpu")
        assert [each.instrument for each in extractors] == asked
    with pytest.raises(DoseError, match="extracts kick and snare and hihat, not tom"):
        open_extractors(tmp_path, ["kick", "tom"], str(by_heart.weights), "cpu")


def test_a_hint_names_the_codec_of_the_file_that_it_is_about(by_heart: World, tmp_path: Path) -> None:
    identity = by_heart.codec.identity.to_dict()
    write_model(tmp_path, ["kick"], identity)
    write_model(tmp_path, ["snare"], {**identity, "name": "other-87654321", "sha256": "0" * 64})
    with pytest.raises(CodecError, match=r"snare\.pth: made with sha256 0.*\n.*its codec is other-87654321, another"):
        open_extractors(tmp_path, (), str(by_heart.weights), "cpu")


def test_one_instrument_in_two_files_is_not_guessed(by_heart: World, tmp_path: Path) -> None:
    identity = by_heart.codec.identity.to_dict()
    write_model(tmp_path, ["kick"], identity)
    write_model(tmp_path, ["kick", "tom"], identity)
    with pytest.raises(DoseError, match=r"kick is extracted by both kick-tom.pth and kick.pth"):
        open_extractors(tmp_path, (), str(by_heart.weights), "cpu")
    assert len(open_extractors(tmp_path, ["tom"], str(by_heart.weights), "cpu")[0]) == 1


def test_a_model_that_does_not_fit_is_named(by_heart: World, tmp_path: Path) -> None:
    identity, codec = by_heart.codec.identity.to_dict(), str(by_heart.weights)
    for name, changes, said, says in (
        ("books", {"codebooks": 2}, {"name": identity["name"]}, "codebooks 2, the codec .* has 3"),
        ("entries", {"codebook_size": 64}, {"name": identity["name"]}, "codebook size 64, the codec .* has 32"),
    ):
        write_model(tmp_path / name, ["kick"], said, **changes)
        with pytest.raises(DoseError, match=says):
            open_extractors(tmp_path / name, (), codec, "cpu")
    write_model(tmp_path / "other", ["kick"], {**identity, "sha256": "0" * 64})
    with pytest.raises(CodecError, match="--codec PATH"):
        open_extractors(tmp_path / "other", (), codec, "cpu")
    with pytest.raises(UsageError, match="speaks tokens of codec-"):
        open_extractors(by_heart.folder, (), None, "cpu")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_text("no audio at all"), "not readable as audio"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "no such file"),
        (lambda path: soundfile.write(path, np.full(9000, np.nan, np.float32), 8000, subtype="FLOAT"), "NaN"),
    ],
)
def test_files_that_are_no_song_are_named(make: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    make(path)
    with pytest.raises(RmodError, match=says):
        list(song_of_file(path).blocks())


def test_a_file_that_ends_early_is_named(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, noise(1, 60_000)[0], 8000)
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(AssetError, match="ends early"):
        list(song_of_file(path).blocks())
