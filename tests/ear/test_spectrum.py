"""Laws of the points by which sounds are picked: they stand in for the spectral distance, and need no level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.codec.spectral_distance import spectral_distance
from rmod_pipeline.codec.window import fit_window, target_frames
from rmod_pipeline.ear.recipe import EarSize
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


def test_an_ear_without_points_needs_fewer_frames() -> None:
    assert count_sound_frames(EarSize(description_frames=24)) == 24
    assert count_sound_frames(EarSize(description_frames=24, spectrum=8)) == FRAMES
    assert count_sound_frames(EarSize(description_frames=120, spectrum=8)) == 120
