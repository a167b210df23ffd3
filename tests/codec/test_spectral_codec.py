"""rmod's own codec: its transforms are inverses, its bits are its own, and soft sounds are coded like loud ones."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

torch.set_num_threads(1)

from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.checkpoint import (
    load_codec_model,
    new_network,
    read_codec_checkpoint,
    serialize_codec_checkpoint,
)
from rmod_pipeline.codec.spectral import model as spectral
from rmod_pipeline.codec.spectral.transform import (
    analyse,
    analyse_low,
    make_lapped_basis,
    synthesise,
    synthesise_low,
)
from rmod_pipeline.errors import CodecError
from tests.tiny_codec import noise

GOLDEN_NOISE = 0.131956
SMALL = {
    "architecture": "spectral",
    "encoder_width": 16,
    "encoder_blocks": 1,
    "decoder_width": 16,
    "decoder_blocks": 1,
    "step_width": 8,
    "step_blocks": 1,
    "codebook_size": 64,
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a random codec."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("codec") / "small.pth"
    path.write_bytes(serialize_codec_checkpoint(new_network(SMALL).state_dict(), SMALL, {"name": "small"}, half=True))
    return path


@settings(deadline=None, max_examples=20)
@given(step=st.sampled_from([2, 16, 128]), frames=st.integers(1, 40), seed=st.integers(0, 99))
def test_audio_comes_back_from_its_spectra(step: int, frames: int, seed: int) -> None:
    audio = torch.from_numpy(noise(2, step * frames, seed))
    torch.testing.assert_close(synthesise(analyse(audio, step), step), audio, atol=2e-5, rtol=0)


def test_a_sine_of_full_scale_has_magnitude_one() -> None:
    audio = torch.sin(torch.arange(128 * 40) * (2 * torch.pi * 20 / 512))[None]
    assert float(analyse(audio, 128)[0, 20, 20].abs()) == pytest.approx(1, abs=1e-3)


@settings(deadline=None, max_examples=10)
@given(frames=st.integers(3, 20), seed=st.integers(0, 99))
def test_audio_comes_back_from_all_lapped_coefficients(frames: int, seed: int) -> None:
    basis, audio = make_lapped_basis(64, 64), torch.from_numpy(noise(1, 64 * frames, seed))
    back = synthesise_low(analyse_low(audio, basis), basis)
    torch.testing.assert_close(back[:, 32:-32], audio[:, 32:-32], atol=1e-5, rtol=0)


def test_the_low_coefficients_hold_a_low_tone_and_not_a_high_one() -> None:
    basis, time = make_lapped_basis(512, 23), torch.arange(512 * 20) / 44_100
    for hz, remains in ((200, True), (5000, False)):
        tone = torch.sin(2 * torch.pi * hz * time)[None]
        back = synthesise_low(analyse_low(tone, basis), basis)[:, 512:-512]
        share = float((back - tone[:, 512:-512]).square().mean() / tone.square().mean())
        assert (share < 0.01) if remains else (share > 0.9)


def test_the_bands_are_those_of_librosa() -> None:
    own = spectral._make_mel_filters(128, 44_100)
    theirs = torch.from_numpy(librosa.filters.mel(sr=44_100, n_fft=512, n_mels=spectral.BANDS, fmin=0, norm=None))
    covered = theirs.sum(0) > 0
    assert float((own - theirs)[:, covered].abs().max()) <= 0.01 + 1e-6
    assert bool((own.sum(0) > 0).all())
    assert bool((own.sum(1) > 0).all())


def test_the_noise_is_white_and_always_the_same() -> None:
    made = spectral._make_noise(128)
    assert len(made) == spectral.NOISE_SAMPLES // 128
    level = made.abs().square().mean(0)[4:-4]
    assert float(level.min()) > 0.7
    assert float(level.max()) < 1.3
    # Values of the integer hash, not of a random generator of some version of torch.
    assert made[100, 7].real == pytest.approx(GOLDEN_NOISE, abs=1e-4)


def test_a_codec_comes_back_from_its_file_and_keeps_its_shape(small: Path) -> None:
    codec = open_codec(str(small), device="cpu")
    assert (codec.identity.hop, codec.identity.codebooks, codec.identity.codebook_size) == (512, 9, 64)
    tokens = codec.encode(noise(2, 5000))
    assert tokens.shape == (2, 9, 10)
    assert codec.decode(tokens).shape == (2, 5120)
    assert codec.codebooks().latents.shape == (9, 64, 64)
    # The bands decide tokens, so they are weights: a file without them does not fit.
    assert "encoder.bands" in torch.load(small, weights_only=True)["state_dict"]


def test_sounds_do_not_depend_on_their_neighbours_and_decoding_repeats(small: Path) -> None:
    codec, audio = open_codec(str(small), device="cpu", batch=4), noise(4, 4096)
    tokens = codec.encode(audio)
    np.testing.assert_array_equal(codec.encode(audio[2:3]), tokens[2:3])
    np.testing.assert_array_equal(codec.decode(tokens[2:3]), codec.decode(tokens)[2:3])
    np.testing.assert_array_equal(codec.decode(tokens), codec.decode(tokens))


def test_a_file_of_another_shape_or_network_is_refused(small: Path, tmp_path: Path) -> None:
    for changes in (
        {"architecture": "cubist"},
        {"latent_dim": 23},
        {"hop": 508},
        {"encoder_width": 24},
        {"no_such_argument": 1},
    ):
        content = torch.load(small, weights_only=True)
        content["metadata"]["kwargs"] |= changes
        torch.save(content, tmp_path / "wrong.pth")
        with pytest.raises(CodecError, match="do not fit"):
            load_codec_model(read_codec_checkpoint(tmp_path / "wrong.pth"))


@pytest.mark.parametrize(("hop", "rate"), [(8, 44_100), (960, 48_000), (512, 192_000), (512, 44_100)])
def test_any_hop_and_rate_that_fit_give_finite_audio(hop: int, rate: int) -> None:
    torch.manual_seed(0)
    network = new_network({**SMALL, "hop": hop, "sample_rate": rate}).eval()
    with torch.no_grad():
        audio = network.decode(network.encoder(torch.from_numpy(noise(1, 6 * hop))[:, None]))
    assert audio.shape == (1, 1, 6 * hop)
    assert bool(torch.isfinite(audio).all())


def test_silence_and_full_scale_squares_stay_finite(small: Path) -> None:
    codec = open_codec(str(small), device="cpu")
    squares = np.sign(np.sin(np.arange(8192) * 0.3)).astype(np.float32)
    for audio in (np.zeros(8192, np.float32), squares):
        assert np.isfinite(codec.decode(codec.encode(audio[None]))).all()


def test_the_encoder_sees_the_same_below_one_kilohertz_at_every_level() -> None:
    """Half the level scales latents of the waveform by the square root of a half: 60 dB become 30."""
    torch.manual_seed(0)
    encoder = new_network(SMALL).encoder.eval()
    audio, count = torch.from_numpy(noise(1, 4096))[:, None], encoder.basis.shape[1]
    with torch.no_grad():
        loud, soft = encoder(audio)[:, :count], encoder(audio / 4)[:, :count]
    torch.testing.assert_close(soft, loud / 2, atol=1e-4, rtol=1e-3)
