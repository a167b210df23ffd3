"""A tuned sound has the level of its pad, begins with its attack, and is shifted only where that helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio, gain_to_db, peak
from rmod_pipeline.curation.drum_kit.listen import LeafAnswer, listen_with, rate_pad
from rmod_pipeline.curation.drum_kit.measure import RATE, measure_pad_loudness
from rmod_pipeline.curation.drum_kit.pads import PADS, Pad
from rmod_pipeline.curation.drum_kit.results import PadCandidate, SoundPlace, Tuning
from rmod_pipeline.curation.drum_kit.tune import MOST_SEMITONES, PEAK_DB, apply_tuning, lead_frames, tune_candidate
from tests.curation.drum_kit.kit_sounds import kick, snare
from tests.curation.drum_kit.shape_classifier import ShapeClassifier

LISTEN = listen_with(ShapeClassifier())
LEAD = lead_frames(RATE)


def part_of(sound: Audio) -> Audio:
    return np.pad(sound, ((0, 0), (LEAD, 0)))


def candidate_of(sound: Audio) -> PadCandidate:
    place = SoundPlace(source="a.wav", sha256="a" * 64, sample_rate=RATE, start=5000, frames=sound.shape[1])
    return PadCandidate(place=place, scores={}, clarity_db=40.0)


@given(
    pad=st.sampled_from(list(PADS.values())),
    semitones=st.floats(-MOST_SEMITONES, MOST_SEMITONES),
    seconds=st.floats(0.05, 1.0),
    gain=st.floats(0.001, 1.0),
    channels=st.sampled_from([1, 2]),
)
@settings(max_examples=40)
def test_level_and_length_are_those_that_were_asked_for(
    pad: Pad, semitones: float, seconds: float, gain: float, channels: int
) -> None:
    part = np.repeat(part_of(snare(2.0)) * np.float32(gain), channels, axis=0)
    sound = apply_tuning(part, RATE, pad, Tuning(seconds=seconds, semitones=semitones))
    assert sound.audio.shape[0] == channels and sound.audio.dtype == np.float32
    assert sound.audio.shape[1] == LEAD + round(seconds * RATE)
    level, loudest = measure_pad_loudness(sound.audio[0]), gain_to_db(peak(sound.audio))
    assert loudest <= PEAK_DB + 0.01
    assert level == pytest.approx(pad.loudness_db, abs=0.05) or loudest == pytest.approx(PEAK_DB, abs=0.01)
    assert abs(sound.audio[:, 0]).max() < 1e-6 and abs(sound.audio[:, -1]).max() < 1e-3, "both ends are silent"


@given(semitones=st.floats(-MOST_SEMITONES, MOST_SEMITONES))
@settings(max_examples=20)
def test_the_attack_is_at_the_same_sample_whatever_the_pitch(semitones: float) -> None:
    click = np.zeros((1, RATE // 2), np.float32)
    click[0, :40] = 1.0
    audio = apply_tuning(part_of(click), RATE, PADS["rim"], Tuning(seconds=0.1, semitones=semitones)).audio[0]
    attack = int((np.abs(audio) > 0.3 * np.abs(audio).max()).argmax())
    assert attack == pytest.approx(LEAD, abs=12)


def test_a_sound_that_rings_is_cut_to_the_length_of_its_pad() -> None:
    long = np.asarray(0.5 * np.sin(2 * np.pi * 400 * np.arange(3 * RATE) / RATE), np.float32)[None]
    for name in ("kick", "crash", "clave"):
        pad = PADS[name]
        best = tune_candidate(candidate_of(long), pad, part_of(long), LISTEN, tuned=False)
        assert pad.seconds <= best.tuning.seconds + 1e-9 <= 2 * pad.seconds + 1e-6
        assert best.place.frames <= round(2 * pad.seconds * RATE) + 1 and best.found.frames == long.shape[1]


def test_a_short_sound_is_not_made_longer() -> None:
    best = tune_candidate(candidate_of(kick(0.15)), PADS["tom_low"], part_of(kick(0.15)), LISTEN, tuned=True)
    assert best.tuning.seconds * 2 ** (best.tuning.semitones / 12) <= 0.16


def test_the_pitch_changes_only_if_the_score_grows_by_it() -> None:
    sound = np.asarray(np.sin(2 * np.pi * 260 * np.arange(RATE // 2) / RATE), np.float32)[None]
    sound *= np.exp(-9 * np.arange(RATE // 2) / RATE).astype(np.float32)
    pad = PADS["tom_high"]
    tuned = tune_candidate(candidate_of(sound), pad, part_of(sound), LISTEN, tuned=True)
    plain = tune_candidate(candidate_of(sound), pad, part_of(sound), LISTEN, tuned=False)
    assert plain.tuning.semitones == 0
    assert -MOST_SEMITONES <= tuned.tuning.semitones < 0, "202 Hz is below 260 Hz"
    assert tuned.rating.score > plain.rating.score

    def indifferent(sounds: object) -> list[LeafAnswer]:
        answer = LeafAnswer(probabilities={"tom/high": 0.1, "kick": 0.1}, embedding=np.ones(1, np.float32))
        return [answer] * len(sounds)  # type: ignore[arg-type]

    assert tune_candidate(candidate_of(sound), pad, part_of(sound), indifferent, tuned=True).tuning.semitones == 0


@given(st.dictionaries(st.sampled_from(["kick", "snare", "hihat/open", "not_a_drum"]), st.floats(0, 1), min_size=1))
def test_a_rating_is_finite_and_its_probability_is_one_among_the_drums(probabilities: dict[str, float]) -> None:
    answer = LeafAnswer(probabilities=probabilities, embedding=np.ones(1, np.float32))
    ratings = {path: rate_pad(PADS[pad], answer, 30.0) for path, pad in (("kick", "kick"), ("snare", "snare"))}
    hat = rate_pad(PADS["hihat_open"], answer, 30.0)
    total = ratings["kick"].probability + ratings["snare"].probability + hat.probability
    drums = sum(value for path, value in probabilities.items() if path != "not_a_drum")
    assert total == pytest.approx(1.0 if drums > 0 else 0.0)
    assert all(np.isfinite(each.score) for each in (*ratings.values(), hat))


def test_what_is_no_drum_is_ranked_by_what_it_is_most_like_and_unclear_sounds_lose() -> None:
    def rate(kick_odds: float, clarity: float) -> float:
        others = {"snare": 1e-7, "kick": kick_odds * 1e-7, "not_a_drum": 1.0}
        return rate_pad(PADS["kick"], LeafAnswer(probabilities=others, embedding=np.ones(1, np.float32)), clarity).score

    assert rate(3.0, 40) > rate(1.0, 40) > rate(0.3, 40)
    assert rate(1.0, 40) == rate(1.0, 20) > rate(1.0, 10) > rate(1.0, 0)


def test_a_classifier_that_knows_the_class_alone_rates_its_parts() -> None:
    answer = LeafAnswer(probabilities={"hihat": 0.6, "kick": 0.2, "not_a_drum": 0.2}, embedding=np.ones(1, np.float32))
    assert rate_pad(PADS["hihat_open"], answer, 40).probability == pytest.approx(0.75)
