"""Laws of the points by which sounds are picked: they stand in for the spectral distance, and need no level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.codec.spectral_distance import spectral_distance
from rmod_pipeline.codec.window import fit_window, target_frames
from rmod_pipeline.ear.loss import EarBatch, compute_ear_losses
from rmod_pipeline.ear.recipe import EarLossSettings, EarSize
from rmod_pipeline.ear.spectrum import (
    EDGES,
    FRAMES,
    STEPS,
    count_sound_frames,
    measure_distances,
    place_sounds,
    weigh_steps,
)
from rmod_pipeline.features import LogMel
from rmod_pipeline.synthesis.catalogue import list_sounds, make_sound
from tests.tiny_ear import SIZE, make_ear

KINDS = ("kick", "snare", "hihat")
MEL = LogMel()


@pytest.mark.parametrize("bands", [16, 64])
def test_weights_stand_for_shares_of_the_spectrum(bands: int) -> None:
    squares = weigh_steps((*KINDS, "tom"), bands).square()
    torch.testing.assert_close(squares.sum((1, 2)), torch.ones(4))
    for kind, square in zip([*KINDS, "tom"], squares, strict=True):
        shares = square.sum(0) * target_frames(kind)
        inside = np.clip(np.minimum(EDGES[1:], target_frames(kind)) - np.array(EDGES[:-1]), 0, None)
        np.testing.assert_allclose(shares.numpy(), inside, atol=1e-3)
    widths = MEL.band_widths()
    assert (np.diff(widths) >= -1e-6).all()  # mel bands are wider, the higher they are
    assert widths.sum() == pytest.approx(2 * (MEL.highest_hz - MEL.lowest_hz), rel=0.2)


@given(st.integers(-60, 30))
def test_a_point_does_not_depend_on_the_level(steps: int) -> None:
    levels = torch.randint(60, 225, (3, 2, 64, FRAMES), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    louder = (levels.int() + steps).to(torch.uint8)
    weights = weigh_steps(KINDS, 64)
    torch.testing.assert_close(place_sounds(louder, weights), place_sounds(levels, weights), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("kind", "least"), [("kick", 0.7), ("snare", 0.9), ("hihat", 0.9)])
def test_distances_of_points_follow_the_spectral_distance(kind: str, least: float) -> None:
    """Which of two sounds is nearer to a third one is the same by both in most cases; kicks differ by little."""
    frames = target_frames(kind)
    chosen = [sound for sound in list_sounds() if sound.kind == kind][:24]
    made = [make_sound(sound).mean(0).astype(np.float32) for sound in chosen]
    sounds = np.stack([fit_window(sound / np.abs(sound).max(), frames, MEL.hop).audio for sound in made])
    padded = np.pad(sounds, ((0, 0), (0, (FRAMES - frames) * MEL.hop)))
    levels = torch.from_numpy(np.stack([MEL.compute(sound) for sound in padded]))
    points = place_sounds(levels, weigh_steps((kind,), 64).expand(len(levels), -1, -1))
    by_points = measure_distances(points, points).numpy()
    audio = torch.from_numpy(sounds)
    by_spectra = np.stack([spectral_distance(sound.expand_as(audio), audio).numpy() for sound in audio])
    assert by_points.diagonal() == pytest.approx(np.zeros(len(points)), abs=1e-4)
    agreed = [
        (by_points[third, one] < by_points[third, other]) == (by_spectra[third, one] < by_spectra[third, other])
        for third in range(len(points))
        for one in range(len(points))
        for other in range(one)
        if third not in (one, other)
    ]
    assert np.mean(agreed) > least
    assert points.shape == (len(points), 64, STEPS)


def test_what_follows_the_window_of_a_drum_changes_no_point() -> None:
    levels = torch.randint(0, 200, (1, 2, 64, FRAMES), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    later = levels.clone()
    later[..., target_frames("hihat") :] = 254
    weights = weigh_steps(("hihat",), 64)
    assert place_sounds(levels, weights).equal(place_sounds(later, weights))
    assert not place_sounds(later, weights)[..., np.array(EDGES[:-1]) >= target_frames("hihat")].any()


def test_an_ear_expects_nothing_after_the_window_of_a_drum() -> None:
    ear = make_ear()
    described = ear.describe_windows("hihat", [np.random.default_rng(0).standard_normal(44_100).astype(np.float32)])
    assert described.spectrum.shape == (1, 64, STEPS)
    assert described.spectrum.any()
    assert not described.spectrum[..., np.array(EDGES[:-1]) >= target_frames("hihat")].any()


def test_an_ear_without_points_has_no_loss_of_them() -> None:
    model = make_ear(size=SIZE.model_copy(update={"spectrum": 0})).model
    generator = torch.Generator().manual_seed(3)
    levels = torch.randint(0, 220, (2, 2, 64, 40), dtype=torch.uint8, generator=generator)
    targets = torch.randint(0, 220, (2, 3, 2, 64, 24), dtype=torch.uint8, generator=generator)
    batch = EarBatch(levels=levels, hits=torch.full((2, 3, 2), 5), targets=targets)
    assert compute_ear_losses(model, batch, EarLossSettings()).parts["spectrum"].tolist() == [0, 0, 0]
    assert model.place(targets[:, 0], torch.tensor([0, 0])).shape == (2, 64, 0)


def test_an_ear_without_points_needs_fewer_frames() -> None:
    assert count_sound_frames(EarSize(description_frames=24)) == 24
    assert count_sound_frames(EarSize(description_frames=24, spectrum=8)) == FRAMES
    assert count_sound_frames(EarSize(description_frames=120, spectrum=8)) == 120
