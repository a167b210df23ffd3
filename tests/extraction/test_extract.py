"""Extraction: models return what they learned, in any batch; notes and errors explain unusual input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import DoseError, UsageError
from rmod_pipeline.extraction.answers.generate import _plan_batches, plan_tries
from rmod_pipeline.extraction.extract import extract_array, extract_song
from rmod_pipeline.extraction.listening.song import open_song
from rmod_pipeline.extraction.open import Answerers
from rmod_pipeline.extraction.results import MOST_WINDOWS, Extraction, ExtractionConfig
from tests.tiny_codec import noise
from tests.tiny_dose import AT, FRAMES, RATE, WINDOW_SECONDS, World, make_song


def test_the_greedy_try_returns_what_the_model_learned(by_heart: World, extraction: Extraction) -> None:
    assert [each.instrument for each in extraction.instruments] == ["kick", "snare", "hihat"]
    for each in extraction.instruments:
        assert len(each.generated) == len(each.candidates) == len(AT) * 4
        assert sorted(window.seconds for window in each.windows) == list(AT)
        for candidate in each.generated:
            if candidate.try_index == 0:
                assert np.array_equal(candidate.codes, by_heart.targets[each.instrument][candidate.window])
        assert each.best == each.generated[0]
        assert each.generated[0].try_index == 0


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_batch_size_changes_no_code(by_heart: World, opened: Answerers, extraction: Extraction, batch: int) -> None:
    other_batch = extract_array(by_heart.song, RATE, opened, replace(extraction.config, batch=batch))
    for one, other in zip(extraction.instruments, other_batch.instruments, strict=True):
        for first, second in zip(
            sorted(one.generated, key=lambda each: (each.window, each.try_index)),
            sorted(other.generated, key=lambda each: (each.window, each.try_index)),
            strict=True,
        ):
            assert np.array_equal(first.codes, second.codes)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20))
def test_batches_hold_every_try_of_every_window_once(windows: int, tries: int, batch: int) -> None:
    parts = list(_plan_batches(windows, tries, batch))
    assert sorted((w, t) for window_range, try_range in parts for w in window_range for t in try_range) == [
        (w, t) for w in range(windows) for t in range(tries)
    ]
    assert all(len(window_range) * len(try_range) <= batch for window_range, try_range in parts)


def test_the_first_try_is_greedy_and_the_others_have_their_own_seeds() -> None:
    first, *sampled = plan_tries(ExtractionConfig(tries=5, top_p=0.8, temperature=0.7))
    assert first.temperature == 0
    assert len({each.seed for each in sampled}) == 5
    assert {(each.top_p, each.temperature) for each in sampled} == {(0.8, 0.7)}
    # More tries do not change the first ones.
    assert plan_tries(ExtractionConfig(tries=2, top_p=0.8, temperature=0.7)) == [first, *sampled[:2]]


def test_progress_is_reported_to_the_end(by_heart: World, opened: Answerers) -> None:
    steps: list[tuple[str, float, float]] = []
    extract_array(
        by_heart.song, RATE, opened, ExtractionConfig(at=AT, tries=1), on_step=lambda *step: steps.append(step)
    )
    last = {phase: (done, total) for phase, done, total in steps}
    end = pytest.approx(3.0 + WINDOW_SECONDS)
    assert last == {"finding drums": (4.0, 4.0), "reading windows": (end, end), "extracting": (24, 24)}


def test_silent_candidates_come_last(by_heart: World, opened: Answerers, monkeypatch: pytest.MonkeyPatch) -> None:
    kick, codec = opened.only("kick"), opened.codec
    assert codec is not None
    decode = codec.decode
    most_likely = extract_array(by_heart.song, RATE, kick, ExtractionConfig(at=AT, tries=0)).instruments[0].best
    attenuated = by_heart.targets["kick"][most_likely.window]
    monkeypatch.setattr(
        codec, "decode", lambda codes: decode(codes) * (0.0001 if np.array_equal(codes[0], attenuated) else 1.0)
    )
    extraction = extract_array(by_heart.song, RATE, kick, ExtractionConfig(at=AT, tries=0)).instruments[0].candidates
    assert [each.silent for each in extraction] == [False, False, False, True]
    assert extraction[-1].window == most_likely.window
    assert extraction[-1].gain_db == 0


def test_a_file_and_its_array_give_the_same_extraction(by_heart: World, opened: Answerers, tmp_path: Path) -> None:
    song = np.stack([by_heart.song, 0.7 * by_heart.song])
    soundfile.write(tmp_path / "song.wav", song.T, RATE, subtype="FLOAT")
    config = ExtractionConfig(windows=2, tries=1, temperature=3.0)
    of_file = extract_song(open_song(tmp_path / "song.wav"), opened, config)
    of_array = extract_array(song, RATE, opened, config)
    for one, other in zip(of_file.instruments, of_array.instruments, strict=True):
        assert [each.seconds for each in one.windows] == [each.seconds for each in other.windows]
        assert [each.audio.tobytes() for each in one.candidates] == [each.audio.tobytes() for each in other.candidates]


def test_a_short_song_is_padded_with_a_note(by_heart: World, opened: Answerers) -> None:
    extraction = extract_array(by_heart.song[: round(0.5 * RATE)], RATE, opened, ExtractionConfig(tries=0))
    assert any("0.50 s; silence was added" in note for note in extraction.notes)
    for each in extraction.instruments:
        assert len(each.windows) == 1
        assert each.windows[0].audio.size == round(WINDOW_SECONDS * RATE)
        assert each.generated[0].codes.shape[1] == FRAMES


def test_a_note_names_a_drum_without_clear_hits(opened: Answerers) -> None:
    extraction = extract_array(make_song(6.0, {"kick": [2.0]}), RATE, opened, ExtractionConfig(tries=0, windows=1))
    assert any("No clear snare" in note for note in extraction.notes)
    assert not any("kick" in note for note in extraction.notes)
    assert extraction["kick"].has_hits
    assert not extraction["snare"].has_hits


def test_a_note_names_a_model_that_has_not_learned_the_tail(by_heart: World, opened: Answerers) -> None:
    config = ExtractionConfig(at=(0.0,), tries=0)
    assert not extract_array(by_heart.song, RATE, opened, config).notes
    masked = {**opened.extractors, "kick": replace(opened.extractors["kick"], tail_learned=False)}
    extraction = extract_array(by_heart.song, RATE, replace(opened, extractors=masked), config)
    (note,) = extraction.notes
    assert "the end of a sound means nothing (kick)" in note
    assert "tail: learned" in note


def test_a_window_near_the_end_is_moved_forward(by_heart: World, opened: Answerers) -> None:
    extraction = extract_array(by_heart.song, RATE, opened.only("kick"), ExtractionConfig(at=(3.9, 3.8), tries=0))
    assert [each.seconds for each in extraction.instruments[0].windows] == [pytest.approx(4 - WINDOW_SECONDS)]


@pytest.mark.parametrize(
    ("audio", "message"),
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
def test_an_error_describes_audio_that_cannot_be_used(opened: Answerers, audio: Any, message: str) -> None:
    with pytest.raises(DoseError, match=message):
        extract_array(audio, RATE, opened)


def test_an_error_names_a_position_that_cannot_be_used(by_heart: World, opened: Answerers) -> None:
    half = by_heart.song.copy()
    half[2 * RATE :] = 0
    with pytest.raises(UsageError, match=r"--at 4.*beyond the end: the song has 4.00 s"):
        extract_array(by_heart.song, RATE, opened, ExtractionConfig(at=(1.0, 4.0)))
    with pytest.raises(UsageError, match=r"--at 3.*silence"):
        extract_array(half, RATE, opened, ExtractionConfig(at=(3.0,)))


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
def test_an_error_names_the_option_that_is_out_of_range(wrong: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        ExtractionConfig(**wrong)


def test_an_extraction_is_looked_up_by_its_instrument(extraction: Extraction) -> None:
    assert "kick" in extraction and "cowbell" not in extraction
    assert extraction["kick"].instrument == "kick"
    with pytest.raises(KeyError, match="cowbell"):
        extraction["cowbell"]


def test_more_positions_than_windows_are_refused() -> None:
    assert len(ExtractionConfig(at=(0.0,) * MOST_WINDOWS).at) == MOST_WINDOWS
    with pytest.raises(UsageError, match=f"--at: given {MOST_WINDOWS + 1} times"):
        ExtractionConfig(at=(0.0,) * (MOST_WINDOWS + 1))


def test_a_device_without_memory_is_an_error_with_a_remedy(
    by_heart: World, opened: Answerers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("rmod_pipeline.extraction.answers.generate.generate", run_out)
    with pytest.raises(DoseError, match="out of memory with a batch of 3") as caught:
        extract_array(by_heart.song, RATE, opened, ExtractionConfig(at=AT, batch=3))
    assert "--batch" in caught.value.hint
