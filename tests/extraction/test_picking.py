"""Laws of picking known sounds, and of extractions without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.codec.spectral_distance import spectral_distance
from rmod_pipeline.codec.window import fit_window, target_frames
from rmod_pipeline.ear.model import Description
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.extraction.answers.known_sounds import KnownSounds
from rmod_pipeline.extraction.answers.pick import (
    POSSIBLE_SOUNDS,
    UNLIKENESS_SCALES,
    USUAL_UNLIKENESS_SCALE,
    SoundBank,
    average_description,
)
from rmod_pipeline.extraction.answers.variation import (
    DECAY_SECONDS,
    SEMITONES,
    TILT_DB,
    Variation,
    find_variation,
)
from rmod_pipeline.extraction.extract import extract_array
from rmod_pipeline.extraction.open import Answerers
from rmod_pipeline.extraction.output import write_extraction
from rmod_pipeline.extraction.results import Extraction, ExtractionConfig
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.pages.extraction import extraction_html
from tests.tiny_dose import RATE, four_windows
from tests.tiny_ear import make_ear


@pytest.fixture(scope="module")
def picking(tiny_manifest: Path) -> Answerers:
    """An ear that picks from the tiny library."""
    ear, library = make_ear(), load_library(str(tiny_manifest))
    known = KnownSounds(ear, AudioStore(library, RATE))
    return Answerers(instruments=("kick", "snare"), extractors={}, codec=None, ear=ear, known=known)


@pytest.fixture(scope="module")
def picked(picking: Answerers) -> Extraction:
    return extract_array(four_windows(), RATE, picking, ExtractionConfig(picks=2, windows=1))


def bank_of(picking: Answerers, kind: str) -> SoundBank:
    assert picking.known is not None
    return picking.known.bank(kind)


@pytest.mark.parametrize("kind", ["kick", "snare"])
def test_a_sound_that_was_heard_exactly_is_the_most_similar(picking: Answerers, kind: str) -> None:
    bank = bank_of(picking, kind)
    for index, asset in enumerate(bank.assets[:2]):
        best = bank.nearest(description_at(bank, index), 1)[0]
        assert (best.asset, best.variation) == (asset, Variation())
        assert best.score == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("kind", ["kick", "snare"])
def test_the_sound_nearest_to_all_that_are_possible_is_picked(picking: Answerers, kind: str) -> None:
    bank = bank_of(picking, kind)
    scale = UNLIKENESS_SCALES.get(kind, USUAL_UNLIKENESS_SCALE)
    for index in range(2):
        heard = description_at(bank, index)
        possible = bank.nearest(heard, POSSIBLE_SOUNDS)
        weights = torch.softmax(torch.tensor([-pick.score / scale for pick in possible]), 0)
        sounds = torch.from_numpy(
            np.stack([fit_window(pick.audio, target_frames(kind), 512).audio for pick in possible])
        )
        risks = [float((weights * spectral_distance(sound.expand_as(sounds), sounds)).sum()) for sound in sounds]
        picked = bank.select(heard, 1).picks[0]
        assert picked.asset == possible[int(np.argmin(risks))].asset


def test_a_variation_makes_a_pick_much_more_similar_or_is_left_out(picking: Answerers) -> None:
    bank = bank_of(picking, "snare")
    heard = average_description(bank.described)
    unvaried = {pick.asset.id: pick.score for pick in bank.nearest(heard, len(bank.assets))}
    for pick in bank.select(heard, 3).picks:
        if pick.variation == Variation():
            assert pick.score == unvaried[pick.asset.id]
        else:
            assert pick.score <= unvaried[pick.asset.id] - USUAL_UNLIKENESS_SCALE


def description_at(bank: SoundBank, index: int) -> Description:
    """Return the description of a known sound."""
    return Description(bank.described.levels[index : index + 1], bank.described.embedding[index : index + 1])


@given(st.sampled_from(SEMITONES), st.sampled_from(DECAY_SECONDS), st.sampled_from(TILT_DB))
def test_the_search_finds_values_that_count_alone(semitones: float, decay: float | None, tilt: float) -> None:
    wanted = Variation(semitones=semitones, decay_seconds=decay, tilt_db=tilt)

    def count_differences(variations: Sequence[Variation]) -> Sequence[float]:
        names = ("semitones", "decay_seconds", "tilt_db")
        return [sum(getattr(each, name) != getattr(wanted, name) for name in names) for each in variations]

    assert find_variation(count_differences) == (wanted, 0)


def test_what_is_nearest_to_what_is_expected_is_the_best(picked: Extraction) -> None:
    for each in picked.instruments:
        assert each.candidates == each.picked
        assert each.checkpoint is None
        scores = [candidate.apart for candidate in each.candidates if candidate.apart is not None]
        assert scores == sorted(scores)
        assert None not in {candidate.unlikeness for candidate in each.candidates}
        assert len({candidate.asset.id for candidate in each.picked}) == len(scores) == 2
        assert {candidate.asset.kind for candidate in each.picked} == {each.instrument}


def test_files_name_the_sound_and_its_licence(picked: Extraction, picking: Answerers, tmp_path: Path) -> None:
    again = extract_array(four_windows(), RATE, picking, picked.config)
    for name, extraction in (("one", picked), ("two", again)):
        write_extraction(extraction, tmp_path / name)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    description = json.loads((tmp_path / "one" / "extraction.json").read_text())
    assert description["codec"] is None
    for sound in description["sounds"]:
        assert sound["answer"] == "picked"
        assert picking.known is not None
        asset = picking.known.library.by_id[sound["sound"]["id"]]
        assert (sound["sound"]["licence"], sound["sound"]["sha256"]) == (asset.licence or None, asset.sha256)
        assert "checkpoint" not in sound
    page = extraction_html(picked)
    assert all(candidate.asset.id in page for each in picked.instruments for candidate in each.picked)


def test_a_model_and_the_ear_answer_together(opened: Answerers, picking: Answerers) -> None:
    both = replace(opened.only("kick"), ear=picking.ear, known=picking.known)
    extraction = extract_array(four_windows(), RATE, both, ExtractionConfig(at=(1.0,), tries=1, picks=2))
    for each in extraction.instruments:
        assert len(each.generated) == 2
        assert len(each.picked) == 2
        audible = [candidate for candidate in each.candidates if not candidate.silent]
        assert None not in {candidate.unlikeness for candidate in audible}
        apart = [candidate.apart for candidate in audible if candidate.apart is not None]
        assert len(apart) == len(audible)
        assert apart == sorted(apart)


def test_a_library_without_a_drum_that_can_be_heard_is_an_error(picking: Answerers) -> None:
    assert picking.known is not None and picking.ear is not None
    library = picking.known.library
    no_kicks = replace(library, assets=tuple(asset for asset in library.assets if asset.kind != "kick"))
    with pytest.raises(LibraryError, match="no kick to pick"):
        extract_array(
            four_windows(), RATE, replace(picking, known=KnownSounds(picking.ear, AudioStore(no_kicks, RATE)))
        )


@pytest.mark.parametrize(
    ("answer", "has_checkpoint", "message"),
    [("generated", False, "--checkpoint: is missing"), ("both", False, "is missing"), ("picked", True, "is of no use")],
)
def test_an_answer_must_suit_the_checkpoint(answer: str, has_checkpoint: bool, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExtractionConfig(answer=answer).check_answer(has_checkpoint)
    ExtractionConfig(answer=answer).check_answer(not has_checkpoint)
    with pytest.raises(UsageError, match="no answer is called picks"):
        ExtractionConfig(answer="picks")


def test_silence_around_a_sound_changes_no_description(picking: Answerers) -> None:
    assert picking.ear is not None
    sound = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    short, long = (picking.ear.describe_sounds("kick", [np.pad(sound, (0, pad))]) for pad in (0, 60_000))
    assert short.levels.equal(long.levels)
