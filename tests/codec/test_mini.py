"""The shipped codec mini: small, complete, with tokens of the usual shape, and of acceptable quality."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rmod_pipeline.audio import peak, to_channels
from rmod_pipeline.codec import Codec, fit_window, open_codec, target_frames
from rmod_pipeline.codec.catalogue import find_known
from rmod_pipeline.codec.checkpoint import read_codec_checkpoint
from rmod_pipeline.codec.window import AudioWindow
from rmod_pipeline.library.builtin_kit import ensure_builtin
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.training.codec.losses import MelDistance, signal_to_distortion_db

MAX_BYTES = 8_000_000


@pytest.fixture(scope="module")
def mini() -> Codec:
    return open_codec("mini", device="cpu")


@pytest.fixture(scope="module")
def one_shots(cache: Path) -> list[AudioWindow]:
    """One-shots of the test split of the built-in kit, which mini was not trained on, at full scale."""
    ensure_builtin()
    library = load_library("builtin")
    store = AudioStore(library, 44_100)
    windows = []
    for kind in ("kick", "snare", "hihat"):
        for asset in library.select(kind, "test")[:6]:
            sound = to_channels(store.read(asset.id), 1)[0]
            windows.append(fit_window(sound / peak(sound[None]), target_frames("kick"), 512))
    return windows


def stack_audio(one_shots: list[AudioWindow]) -> np.ndarray:
    return np.stack([window.audio for window in one_shots]).astype(np.float32)


def reconstruct(mini: Codec, one_shots: list[AudioWindow], books: int = 9) -> torch.Tensor:
    """Encode the sounds, and decode their first codebooks, cut to the true lengths as `rmod decode` does."""
    audio = stack_audio(one_shots)
    decoded = mini.decode(mini.encode(audio)[:, :books])[:, : audio.shape[1]]
    ends = np.array([window.frames * 512 for window in one_shots])[:, None]
    return torch.from_numpy(np.where(np.arange(decoded.shape[1]) < ends, decoded, np.float32(0)))


def test_the_weights_are_small_and_have_metadata() -> None:
    path = find_known("mini").path
    assert path.stat().st_size <= MAX_BYTES
    about = read_codec_checkpoint(path).about
    assert about["name"] == "mini"
    assert int(about["steps"]) > 0


def test_the_tokens_have_the_usual_shape(mini: Codec) -> None:
    identity = mini.identity
    assert (identity.sample_rate, identity.hop) == (44_100, 512)
    assert (identity.codebooks, identity.codebook_size) == (9, 1024)
    assert mini.encode(np.zeros((1, 4 * 44_100), np.float32)).shape == (1, 9, 345)


def test_reconstructions_of_unseen_one_shots_are_closer_than_silence(mini: Codec, one_shots: list[AudioWindow]) -> None:
    estimate, reference = reconstruct(mini, one_shots), torch.from_numpy(stack_audio(one_shots))
    mel = MelDistance(44_100, [512, 2048], [40, 150])
    assert float(mel(estimate, reference)) < 0.2 * float(mel(torch.zeros_like(reference), reference))


def test_the_waveform_of_kicks_comes_back(mini: Codec, one_shots: list[AudioWindow]) -> None:
    estimate, reference = reconstruct(mini, one_shots[:6]), torch.from_numpy(stack_audio(one_shots[:6]))
    assert float(signal_to_distortion_db(estimate, reference).median()) > 8


def test_soft_sounds_come_back_as_well_as_loud_ones(mini: Codec, one_shots: list[AudioWindow]) -> None:
    reference, mel = torch.from_numpy(stack_audio(one_shots)), MelDistance(44_100, [512, 2048], [40, 150])
    softer = [replace(window, audio=window.audio / np.float32(4)) for window in one_shots]
    loud, soft = reconstruct(mini, one_shots), 4 * reconstruct(mini, softer)
    assert float(mel(soft, reference)) < 1.3 * float(mel(loud, reference))


def test_a_hi_hat_does_not_repeat_with_every_frame(mini: Codec, one_shots: list[AudioWindow]) -> None:
    """Equal frames would buzz at 86 Hz, which no spectrogram of 23 ms shows."""
    hats = [window for window in one_shots if window.frames <= 40] or one_shots[12:]
    for original, coded in zip(stack_audio(hats), reconstruct(mini, hats).numpy(), strict=True):
        for lag in (128, 512, 1024):
            assert correlate(coded, lag) < max(correlate(original, lag), 0) + 0.3


def correlate(sound: np.ndarray, lag: int) -> float:
    """Return how much the first 0.2 s of a sound, high-passed and at an even level, are like themselves after a lag."""
    steep = np.diff(sound[: 8192 + lag].astype(np.float64))
    level = np.sqrt(np.convolve(steep**2, np.ones(512) / 512, "same")) + 1e-9
    even = steep / level
    return float(np.mean(even[:-lag] * even[lag:]) / np.mean(even**2))


def test_every_codebook_is_used(mini: Codec, one_shots: list[AudioWindow]) -> None:
    tokens = mini.encode(stack_audio(one_shots))
    for book in range(9):
        codes = np.concatenate([item[book, : window.frames] for item, window in zip(tokens, one_shots, strict=True)])
        shares = np.bincount(codes, minlength=1024) / codes.size
        entropy = -sum(share * np.log2(share) for share in shares if share)
        # About five hundred frames can have an entropy of 9 bits at most.
        assert entropy > 4.5, f"codebook {book + 1} is hardly used"


def test_more_codebooks_reduce_the_error(mini: Codec, one_shots: list[AudioWindow]) -> None:
    reference = torch.from_numpy(stack_audio(one_shots))
    errors = [float((reconstruct(mini, one_shots, books) - reference).square().mean()) for books in (1, 3, 9)]
    assert errors == sorted(errors, reverse=True)
