"""Encode and decode: shapes, padding, determinism and errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.codec import CodecChoice, compute_mismatch_rate, open_codec
from rmod_pipeline.errors import CodecError, UsageError
from tests.tiny_codec import noise, save_tiny

FOUR_SECONDS = 176_400


def test_four_seconds_are_345_frames_of_9_codebooks(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu", batch=2)
    tokens = codec.encode(noise(3, FOUR_SECONDS))
    assert tokens.shape == (3, 9, 345)
    assert tokens.dtype == np.uint16
    assert tokens.max() < 1024
    assert codec.decode(tokens).shape == (3, 345 * 512)


def test_tokens_do_not_depend_on_the_rest_of_the_batch(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu", batch=4)
    sounds = noise(7, 5_120)
    together = codec.encode(sounds)
    alone = np.concatenate([codec.encode(sounds[index : index + 1]) for index in range(len(sounds))])
    np.testing.assert_array_equal(together, alone)


def test_encoding_twice_gives_the_same(tiny: Path) -> None:
    first, second = (open_codec(str(tiny), device="cpu", batch=2).encode(noise(2, 5_120)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_an_incomplete_hop_is_padded_with_silence(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu", batch=2)
    sound = noise(1, 2_000)
    padded = np.pad(sound, ((0, 0), (0, 48)))
    np.testing.assert_array_equal(codec.encode(sound), codec.encode(padded))


def test_no_sounds_have_no_tokens(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu", batch=2)
    assert codec.encode(noise(0, 1_024)).shape == (0, 9, 2)
    assert codec.decode(np.zeros((0, 9, 2), np.uint16)).shape == (0, 1_024)


def test_the_identity_depends_on_the_weights_and_not_on_the_file(tmp_path: Path) -> None:
    half = open_codec(str(save_tiny(tmp_path / "My codec (2).pth", seed=1, half=True)), device="cpu").identity
    # The same values, saved as float32.
    import torch

    content = torch.load(tmp_path / "My codec (2).pth", weights_only=True)
    content["state_dict"] = {name: value.float() for name, value in content["state_dict"].items()}
    torch.save(content, tmp_path / "my-codec-2.pth")
    full = open_codec(str(tmp_path / "my-codec-2.pth"), device="cpu").identity
    assert half == full
    assert half.name.startswith("my-codec-2-")
    assert half.version == "7"
    different = open_codec(str(save_tiny(tmp_path / "third.pth", seed=2)), device="cpu").identity
    assert different.sha256 != half.sha256


def test_a_codec_with_another_shape_is_refused_with_both_values(tiny: Path, tmp_path: Path) -> None:
    identity = open_codec(str(tiny), device="cpu", batch=2).identity.to_dict()
    changes: dict[str, Any] = {"encoder_rates": [2, 4, 8], "decoder_rates": [8, 4, 2], "n_codebooks": 4}
    other = open_codec(str(save_tiny(tmp_path / "other.pth", **changes)), device="cpu").identity
    with pytest.raises(CodecError, match=r"hop 512.*has 64"):
        other.require(identity, "OUT/tokens")
    with pytest.raises(CodecError, match=r"number of codebooks 9.*has 4"):
        other.require({**identity, "hop": 64}, "OUT/tokens")
    with pytest.raises(CodecError, match="sha256"):
        other.require({**other.to_dict(), "sha256": identity["sha256"]}, "OUT/tokens")
    other.require(other.to_dict(), "OUT/tokens")


def test_audio_at_another_rate_is_refused(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu", batch=2)
    codec.require_rate(44_100, "OUT")
    with pytest.raises(CodecError, match=r"48000 Hz.*44100 Hz"):
        codec.require_rate(48_000, "OUT")


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(512, np.float32),
        np.zeros((1, 2, 512), np.float32),
        np.zeros((1, 512), np.float64),
        np.zeros((1, 0), np.float32),
        np.full((1, 512), np.nan, np.float32),
    ],
)
def test_other_audio_is_refused(tiny: Path, audio: np.ndarray) -> None:
    with pytest.raises(CodecError):
        open_codec(str(tiny), device="cpu", batch=2).encode(audio)


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        (np.full((1, 9, 2), 1024, np.uint16), "1024"),
        (np.full((1, 9, 2), -1, np.int64), "-1"),
        (np.zeros((1, 10, 2), np.uint16), "10"),
        (np.zeros((9, 2), np.uint16), "9, 2"),
        (np.zeros((1, 9, 2), np.float32), "float32"),
    ],
)
def test_tokens_out_of_range_are_refused(tiny: Path, tokens: np.ndarray, found: str) -> None:
    with pytest.raises(CodecError, match=found):
        open_codec(str(tiny), device="cpu", batch=2).decode(tokens)


def test_fewer_codebooks_decode_to_the_same_length(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu", batch=2)
    tokens = codec.encode(noise(1, 4_096))
    assert codec.decode(tokens[:, :3]).shape == codec.decode(tokens).shape


def test_the_mismatch_of_bfloat16_with_fp32_is_measured(tiny: Path) -> None:
    exact = open_codec(str(tiny), device="cpu", batch=2)
    assert exact.compare_with_fp32(noise(1, 4_096)) == 0
    bf16 = open_codec(str(tiny), device="cpu", precision="bf16", batch=2)
    share = bf16.compare_with_fp32(noise(1, 4_096))
    assert 0 < share < 1
    assert bf16.fingerprint() != exact.fingerprint()


def test_invalid_options_are_refused(tiny: Path) -> None:
    for options in ({"precision": "fp8"}, {"batch": 0}, {"device": "abacus"}, {"device": "cpu", "precision": "tf32"}):
        with pytest.raises(UsageError):
            open_codec(str(tiny), **options)


def test_a_choice_can_be_pickled(tiny: Path) -> None:
    choice = CodecChoice(name=str(tiny), device="cpu", batch=3)
    unpickled = pickle.loads(pickle.dumps(choice))
    assert unpickled == choice
    assert unpickled.open().fingerprint()["batch"] == 3


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_the_mismatch_rate_is_a_share(same: int, different: int) -> None:
    tokens = np.zeros(same + different, np.uint16)
    reference = tokens.copy()
    reference[same:] = 1
    assert compute_mismatch_rate(tokens, reference) == (different / (same + different) if same + different else 0)
