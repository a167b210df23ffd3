"""The codec that ships: small, whole, of the real shape, and worth listening to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rmod_pipeline.audio import peak, to_channels
from rmod_pipeline.codec import Codec, fit_window, open_codec, target_frames
from rmod_pipeline.codec.catalogue import find_known
from rmod_pipeline.codec.checkpoint import read_codec_checkpoint
from rmod_pipeline.codec.window import Windowed
from rmod_pipeline.library.builtin_kit import ensure_builtin
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.training.codec.losses import MelDistance, signal_to_distortion_db

MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def mini() -> Codec:
    return open_codec("mini", device="cpu")


@pytest.fixture(scope="module")
def one_shots(cache: Path) -> list[Windowed]:
    """One-shots of the built-in kit's test split, which mini never saw, at full scale."""
    ensure_builtin()
    library = load_library("builtin")
    store = AudioStore(library, 44_100)
    found = []
    for kind in ("kick", "snare", "hihat"):
        for asset in library.select(kind, "test")[:6]:
            sound = to_channels(store.read(asset.id), 1)[0]
            found.append(fit_window(sound / peak(sound[None]), target_frames("kick"), 512))
    return found


def audio_of(one_shots: list[Windowed]) -> np.ndarray:
    return np.stack([each.audio for each in one_shots]).astype(np.float32)


def through(mini: Codec, one_shots: list[Windowed], books: int = 9) -> torch.Tensor:
    """Return what the first codebooks hold of the sounds, cut to their true lengths as `rmod decode` cuts them."""
    wanted = audio_of(one_shots)
    made = mini.decode(mini.encode(wanted)[:, :books])[:, : wanted.shape[1]]
    ends = np.array([each.frames * 512 for each in one_shots])[:, None]
    return torch.from_numpy(np.where(np.arange(made.shape[1]) < ends, made, np.float32(0)))


def test_its_weights_fit_the_package_and_say_what_they_are() -> None:
    path = find_known("mini").path
    assert path.stat().st_size <= MOST_BYTES
    about = read_codec_checkpoint(path).about
    assert about["name"] == "mini"
    assert int(about["steps"]) > 0


def test_its_tokens_have_the_real_shape(mini: Codec) -> None:
    identity = mini.identity
    assert (identity.sample_rate, identity.hop) == (44_100, 512)
    assert (identity.codebooks, identity.codebook_size) == (9, 1024)
    assert mini.encode(np.zeros((1, 4 * 44_100), np.float32)).shape == (1, 9, 345)


def test_it_is_nearer_to_one_shots_it_never_saw_than_silence(mini: Codec, one_shots: list[Windowed]) -> None:
    heard, wanted = through(mini, one_shots), torch.from_numpy(audio_of(one_shots))
    mel = MelDistance(44_100, [512, 2048], [40, 150])
    assert float(mel(heard, wanted)) < 0.35 * float(mel(torch.zeros_like(wanted), wanted))
    assert float(signal_to_distortion_db(heard, wanted).median()) > 4


def test_every_codebook_is_used(mini: Codec, one_shots: list[Windowed]) -> None:
    tokens = mini.encode(audio_of(one_shots))
    for place in range(9):
        codes = np.concatenate([each[place, : shot.frames] for each, shot in zip(tokens, one_shots, strict=True)])
        shares = np.bincount(codes, minlength=1024) / codes.size
        entropy = -sum(share * np.log2(share) for share in shares if share)
        # Some five hundred frames can tell 9 bits apart at most.
        assert entropy > 4.5, f"codebook {place + 1} says hardly anything"


def test_more_codebooks_say_more(mini: Codec, one_shots: list[Windowed]) -> None:
    wanted = torch.from_numpy(audio_of(one_shots))
    errors = [float((through(mini, one_shots, books) - wanted).square().mean()) for books in (1, 3, 9)]
    assert errors == sorted(errors, reverse=True)
