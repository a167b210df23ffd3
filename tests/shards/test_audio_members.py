"""The sounds in a tar: a WAV file has the bytes that libsndfile writes, and either format gives the samples back."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.shards.members import FORMATS, decode_audio, encode_audio


@given(st.integers(1, 2), st.integers(0, 3000), st.sampled_from([8000, 44_100, 192_000]), st.integers(0, 99))
def test_a_wav_file_has_the_bytes_of_libsndfile(channels: int, frames: int, rate: int, seed: int) -> None:
    pcm = np.random.default_rng(seed).integers(-32767, 32768, (channels, frames)).astype(np.int16)
    stream = io.BytesIO()
    soundfile.write(stream, pcm.T, rate, format="WAV", subtype="PCM_16")
    assert encode_audio(pcm, rate, "wav") == stream.getvalue()


@pytest.mark.parametrize("audio_format", FORMATS)
def test_samples_come_back(audio_format: str) -> None:
    pcm = np.random.default_rng(0).integers(-32767, 32768, (2, 1000)).astype(np.int16)
    decoded, rate = decode_audio(encode_audio(pcm, 44_100, audio_format))
    assert rate == 44_100
    assert np.array_equal(decoded, pcm)
