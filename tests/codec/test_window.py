"""Windows: their lengths, cutting and padding, and mixing to mono."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rmod_pipeline.codec import count_frames, fit_window, mix_to_mono, target_frames


def test_the_windows_of_the_paper() -> None:
    assert count_frames(176_400, 512) == 345
    assert [target_frames(kind) for kind in ("kick", "snare", "hihat", "tom")] == [90, 90, 40, 90]
    assert target_frames("kick", {"kick": 60}) == 60


@given(st.integers(0, 3000), st.integers(1, 5), st.sampled_from([64, 512]))
def test_a_window_has_its_length_and_counts_the_frames_of_audio(samples: int, frames: int, hop: int) -> None:
    sound = np.arange(1, samples + 1, dtype=np.float32)
    fitted = fit_window(sound, frames, hop)
    assert fitted.audio.shape == (frames * hop,)
    assert fitted.frames == min(frames, count_frames(samples, hop))
    kept = min(samples, frames * hop)
    np.testing.assert_array_equal(fitted.audio[:kept], sound[:kept])
    assert not fitted.audio[kept:].any()


@given(arrays(np.int16, (2, 8)))
def test_mono_is_the_mean_of_both_channels_in_either_order(pcm: np.ndarray) -> None:
    np.testing.assert_array_equal(mix_to_mono(pcm), mix_to_mono(pcm[::-1]))
    np.testing.assert_allclose(mix_to_mono(pcm), pcm.astype(np.float64).mean(axis=0) / 32767, atol=1e-7)


@given(arrays(np.int16, (1, 8)))
def test_one_channel_stays_as_it_is(pcm: np.ndarray) -> None:
    np.testing.assert_array_equal(mix_to_mono(pcm), mix_to_mono(np.repeat(pcm, 2, axis=0)))
