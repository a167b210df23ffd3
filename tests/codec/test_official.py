"""The official package and ours give the same codes for the same weights.

Needs the real descript-audiotools, which cannot stand beside the locked packages: skipped without.
docs/guides/tokens.md says when and with what it was last run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.descript import import_dac, real_audiotools
from tests.tiny_codec import noise, torch


@pytest.mark.slow
def test_a_full_size_codec_loaded_both_ways_gives_the_same_codes(tmp_path: Path) -> None:
    if not real_audiotools():
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
    ours = open_codec(str(tmp_path / "official.pth"), device="cpu", batch=2)
    np.testing.assert_array_equal(ours.encode(audio), codes.numpy())
    np.testing.assert_allclose(ours.decode(codes.numpy()), sound, atol=1e-5)
