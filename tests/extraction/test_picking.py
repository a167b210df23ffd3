"""Laws of picking known sounds, and of extractions without a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.ear.model import Description
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.extraction.answers.known_sounds import KnownSounds
from rmod_pipeline.extraction.answers.pick import (
    LEAST_GAIN,
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


def test_layers_and_a_variation_make_a_pick_more_similar_or_are_left_out(picking: Answerers) -> None:
    bank = bank_of(picking, "snare")
    heard = average_description(bank.described)
    unvaried = {pick.asset.id: pick for pick in bank.nearest(heard, len(bank.assets))}
    for layers in (1, 2, 3):
        picks = bank.pick(heard, 3, layers)
        assert [pick.score for pick in picks] == sorted(pick.score for pick in picks)
        for pick in picks:
            own = unvaried[pick.asset.id]
            assert len(pick.layers) < layers
            if not pick.layers and pick.variation == Variation():
                assert (pick.score, pick.audio.tobytes()) == (own.score, own.audio.tobytes())
            elif pick.variation != Variation():
                assert pick.score <= own.score * (1 - LEAST_GAIN) + 1e-6
            else:
                assert pick.score < own.score
            assert len({pick.asset.id, *(layer.asset.id for layer in pick.layers)}) == len(pick.layers) + 1
            assert all(0 < layer.share < 1 for layer in pick.layers)
            assert sum(layer.share for layer in pick.layers) < 1


def test_a_sum_of_two_sounds_is_found(picking: Answerers) -> None:
    """What was heard is half of one sound and half of another: the pick is that sum, and nearer than each of them."""
    bank = bank_of(picking, "kick")
    one, other = bank.read(0), bank.read(1)
    both = np.zeros(max(one.size, other.size), np.float32)
    both[: one.size] += one
    both[: other.size] += other
    heard = bank.ear.describe_sounds("kick", [both / np.abs(both).max()])
    alone, layered = bank.pick(heard, 1, layers=1)[0], bank.pick(heard, 1, layers=2)[0]
    assert layered.score < alone.score
    assert [layer.share for layer in layered.layers] == [0.5]
    assert {layered.asset, layered.layers[0].asset} == {bank.assets[0], bank.assets[1]}
    assert layered.score == pytest.approx(0, abs=1e-4)


def test_shares_tell_how_a_pick_is_mixed(picking: Answerers) -> None:
    """The sounds of a pick, each with its share of the sum, make its audio again."""
    bank = bank_of(picking, "snare")
    audio = {asset.id: bank.read(index) for index, asset in enumerate(bank.assets)}
    mixed = 0
    for pick in bank.pick(average_description(bank.described), 4, layers=3):
        if pick.layers and pick.variation == Variation():
            shares = {layer.asset.id: layer.share for layer in pick.layers}
            shares = {pick.asset.id: 1 - sum(shares.values()), **shares}
            made = np.zeros(pick.audio.size)
            for name, share in shares.items():
                made[: audio[name].size] += share * audio[name]
            np.testing.assert_allclose(made / np.abs(made).max(), pick.audio, atol=1e-4)
            mixed += 1
    assert mixed


@pytest.mark.parametrize("other", [-1.0, 1.0])
def test_a_copy_of_a_sound_is_no_layer_of_it(picking: Answerers, other: float) -> None:
    """A copy adds nothing but another licence; one of opposite polarity would leave silence."""
    bank = bank_of(picking, "kick")
    audio = np.float32(other) * bank.read(0)
    (own,) = bank.nearest(description_at(bank, 0), 1)
    copy = replace(own, asset=replace(own.asset, id="copy"), audio=audio)
    heard = average_description(bank.described)
    score = bank._score([own.audio], heard)[0]
    layered = bank._layer(replace(own, score=score), [copy], heard, 3)
    assert layered.layers == ()
    assert bank._score([np.zeros(500, np.float32)], heard) == [np.inf]


def test_a_library_of_one_sound_is_picked_from(picking: Answerers) -> None:
    assert picking.known is not None and picking.ear is not None
    library = picking.known.library
    kicks = [asset for asset in library.assets if asset.kind == "kick"]
    one = replace(library, assets=tuple(kicks[:1]))
    bank = SoundBank.of(picking.ear, AudioStore(one, RATE), "kick")
    (pick,) = bank.pick(average_description(bank.described), 5, layers=3)
    assert (pick.asset, pick.layers) == (kicks[0], ())


def description_at(bank: SoundBank, index: int) -> Description:
    """Return the description of a known sound."""
    described, chosen = bank.described, slice(index, index + 1)
    return Description(described.levels[chosen], described.embedding[chosen], described.spectrum[chosen])


@given(st.sampled_from(SEMITONES), st.sampled_from(DECAY_SECONDS), st.sampled_from(TILT_DB))
def test_the_search_finds_values_that_count_alone(semitones: float, decay: float | None, tilt: float) -> None:
    wanted = Variation(semitones=semitones, decay_seconds=decay, tilt_db=tilt)

    def count_differences(variations: Sequence[Variation]) -> Sequence[float]:
        names = ("semitones", "decay_seconds", "tilt_db")
        return [sum(getattr(each, name) != getattr(wanted, name) for name in names) for each in variations]

    assert find_variation(count_differences) == (wanted, 0)


def test_what_is_most_like_what_was_heard_is_the_best(picked: Extraction) -> None:
    for each in picked.instruments:
        assert each.candidates == each.picked
        assert each.checkpoint is None
        scores = [candidate.unlikeness for candidate in each.candidates if candidate.unlikeness is not None]
        assert scores == sorted(scores)
        assert {candidate.apart for candidate in each.candidates} == {None}
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
        for layer in sound["layers"]:
            asset = picking.known.library.by_id[layer["id"]]
            assert (layer["licence"], layer["sha256"]) == (asset.licence or None, asset.sha256)
        assert "checkpoint" not in sound
    page = extraction_html(picked)
    for asset in (asset for each in picked.instruments for candidate in each.picked for asset in candidate.assets):
        assert asset.id in page
        assert (asset.licence or "unknown licence") in page


def test_a_model_and_the_ear_answer_together(opened: Answerers, picking: Answerers) -> None:
    both = replace(opened.only("kick"), ear=picking.ear, known=picking.known)
    extraction = extract_array(four_windows(), RATE, both, ExtractionConfig(at=(1.0,), tries=1, picks=2))
    for each in extraction.instruments:
        assert len(each.generated) == 2
        assert len(each.picked) == 2
        audible = [candidate for candidate in each.candidates if not candidate.silent]
        unlikeness = [candidate.unlikeness for candidate in audible if candidate.unlikeness is not None]
        assert len(unlikeness) == len(audible)
        assert unlikeness == sorted(unlikeness)


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
    assert short.spectrum.equal(long.spectrum)
