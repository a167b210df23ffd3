"""Laws of hearing a song in chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.extraction.listening.ear import CHUNK_FRAMES, END_FRAMES, OpenedEar, SongListener, _mirror
from tests.tiny_ear import INSTRUMENTS, make_ear

RATE, HOP = 44_100, 512


@pytest.fixture(scope="module")
def ear() -> OpenedEar:
    return make_ear()


def make_noise(samples: int, seed: int = 0) -> np.ndarray:
    bursts = np.random.default_rng(seed).standard_normal(samples) * (np.arange(samples) % 20_000 < 2_000)
    return (0.1 * bursts).astype(np.float32)


def hear(ear: OpenedEar, blocks: list[np.ndarray]) -> tuple[SongListener, list[np.ndarray]]:
    listener = SongListener(ear)
    return listener, list(listener.listen(blocks))


@settings(max_examples=10)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=8))
def test_where_a_song_is_cut_into_blocks_changes_no_hit(ear: OpenedEar, sizes: list[int]) -> None:
    song = make_noise(sum(sizes))
    blocks = np.split(song, np.cumsum(sizes)[:-1])
    (whole, _), (cut, passed) = hear(ear, [song]), hear(ear, list(blocks))
    assert np.concatenate(passed).tobytes() == song.tobytes()
    for instrument in INSTRUMENTS:
        one, other = whole.find_hits(instrument), cut.find_hits(instrument)
        assert one.seconds.tobytes() == other.seconds.tobytes()
        assert one.clarity_db.tobytes() == other.clarity_db.tobytes()


@pytest.mark.parametrize("samples", [1, HOP, CHUNK_FRAMES * HOP, 3 * CHUNK_FRAMES * HOP + 7])
def test_every_frame_of_a_song_is_heard_once(ear: OpenedEar, samples: int) -> None:
    listener, _ = hear(ear, [make_noise(samples)])
    assert sum(part.shape[1] for part in listener._logits) == -(-samples // HOP)


def test_a_hit_lies_where_it_is_heard(ear: OpenedEar) -> None:
    """A delay of whole chunks' steps moves all hits by that time: each chunk is heard the same."""
    song = make_noise(8 * RATE)
    delay = 256 * HOP
    early, _ = hear(ear, [song])
    late, _ = hear(ear, [np.concatenate([np.zeros(delay, np.float32), song])])
    first, second = early.find_hits("kick").seconds, late.find_hits("kick").seconds
    # The first chunks differ in what is before them, and the last ones in what follows.
    kept = first[(first > 4) & (first < 7)]
    assert kept.size > 3
    assert np.abs(second[:, None] - (kept + delay / RATE)).min(axis=0).max() < 1e-6


@pytest.mark.parametrize("size", [0, 1, 2, 300, 1000])
def test_the_image_of_an_end_continues_it(size: int) -> None:
    audio = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    mirrored = _mirror(audio, 1000)
    assert mirrored.size == 1000
    assert mirrored.dtype == np.float32
    np.testing.assert_array_equal(mirrored[:size], audio)
    image = mirrored[size : max(2 * size - 1, size)]
    np.testing.assert_array_equal(image, audio[::-1][1 : image.size + 1])
    assert not mirrored[max(2 * size - 1, size) :].any()


@pytest.mark.parametrize("samples", [1, HOP, 5 * HOP, 100_000])
def test_nothing_at_the_end_of_a_song_is_a_hit(ear: OpenedEar, samples: int) -> None:
    listener, _ = hear(ear, [make_noise(samples, seed=3)])
    frames = -(-samples // HOP)
    for kind in INSTRUMENTS:
        assert (listener.find_hits(kind).seconds < max(frames - END_FRAMES, 0) * HOP / RATE).all()
