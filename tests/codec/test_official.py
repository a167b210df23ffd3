"""dac with the real descript-audiotools gives the same tokens as dac with our placeholders.

This test needs the real descript-audiotools, which conflicts with the locked packages, and is skipped without it.
docs/guides/tokens.md says when and with which versions it was last run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.descript import PlainSignal, SpectrogramShape, can_import_audiotools, import_dac
from tests.tiny_codec import noise


@pytest.mark.slow
def test_a_full_size_codec_loaded_both_ways_gives_the_same_codes(tmp_path: Path) -> None:
    if not can_import_audiotools():
        pytest.skip("descript-audiotools does not import here")
    dac = import_dac()
    torch.manual_seed(0)
    model = dac.DAC()
    for name, value in model.named_parameters():
        if name.startswith("encoder") and name.endswith("weight_g"):
            value.data.mul_(1.5)
    model.metadata = {"kwargs": {}}
    model.save(tmp_path / "official.pth", package=False)
    official, audio = dac.DAC.load(tmp_path / "official.pth").eval(), noise(2, 22_050)
    with torch.no_grad():
        padded = official.preprocess(torch.from_numpy(audio)[:, None], 44_100)
        quantized, codes, *_ = official.encode(padded)
        sound = official.decode(quantized)[:, 0].numpy()
    codec = open_codec(str(tmp_path / "official.pth"), device="cpu", batch=2)
    np.testing.assert_array_equal(codec.encode(audio), codes.numpy())
    np.testing.assert_allclose(codec.decode(codes.numpy()), sound, atol=1e-5)


def test_the_spectrograms_of_discriminators_are_equal_both_ways() -> None:
    if not can_import_audiotools():
        pytest.skip("descript-audiotools does not import here")
    import audiotools

    audio = torch.from_numpy(noise(2, 5_000))[:, None]
    shape = SpectrogramShape(2048, 512, match_stride=True)
    official = audiotools.AudioSignal(audio, 44_100, stft_params=audiotools.STFTParams(*shape[:2], match_stride=True))
    torch.testing.assert_close(PlainSignal(audio, 44_100, shape).stft(), official.stft())
