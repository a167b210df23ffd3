"""How an encoder runs: defaults of each device, other settings, and what they do to tokens and fingerprint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rmod_pipeline.codec import CodecChoice, compute_mismatch_rate, open_codec
from rmod_pipeline.codec.settings import DEFAULTS, EncoderSettings, default_settings, supports_channels_last
from rmod_pipeline.errors import UsageError
from tests.tiny_codec import noise


def test_a_cpu_encodes_one_sound_at_a_time_in_fp32_unless_it_is_told_otherwise(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu")
    assert codec.settings == DEFAULTS["cpu"] == EncoderSettings(precision="fp32", batch=1)
    assert default_settings("cuda:1") is DEFAULTS["cuda"]
    for settings in DEFAULTS.values():
        for kind in DEFAULTS:
            if settings is DEFAULTS[kind]:
                settings.check(kind)


def test_what_is_left_open_is_decided_by_the_device(tiny: Path) -> None:
    choice = CodecChoice(name=str(tiny), batch=3).resolve_on("cuda")
    assert (choice.precision, choice.batch, choice.compiled) == (DEFAULTS["cuda"].precision, 3, False)
    assert choice.resolve_on("cpu").settings_on("cpu").batch == 3


def test_settings_that_are_off_leave_the_fingerprint_as_it_was(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu")
    assert {"precision", "batch", "compiled", "device", "torch"} < codec.fingerprint().keys()
    assert not codec.fingerprint().keys() & {"channels_last", "cuda_graphs"}
    wide = codec.with_settings(channels_last=True)
    assert wide.fingerprint() == {**codec.fingerprint(), "channels_last": True}
    recorded = EncoderSettings(precision="fp32", batch=1, cuda_graphs=True)
    assert recorded.fingerprint() == EncoderSettings(precision="fp32", batch=1).fingerprint()


def test_another_layout_computes_the_same(tiny: Path) -> None:
    codec = open_codec(str(tiny), device="cpu", batch=2)
    sounds = noise(3, 5_120)
    tokens = codec.encode(sounds)
    wide = codec.with_settings(channels_last=True)
    assert compute_mismatch_rate(wide.encode(sounds), tokens) < 0.01  # sums in another order
    np.testing.assert_array_equal(codec.encode(sounds), tokens)
    inside = wide.encode_on_device(torch.from_numpy(sounds[:2, None]))
    np.testing.assert_array_equal(inside.numpy(), wide.encode(sounds[:2]))


def test_the_layout_is_for_convolutions(mini_encoder: object) -> None:
    assert not supports_channels_last(mini_encoder)
    with pytest.raises(UsageError, match="--channels-last: the encoder is not made of one-dimensional convolutions"):
        open_codec("mini", device="cpu", channels_last=True)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"cuda_graphs": True}, "a CPU records no graphs"),
        ({"precision": "tf32"}, "tf32 needs a GPU"),
        ({"precision": "fp16"}, "unknown 'fp16'"),
        ({"batch": 0}, "0 is too small"),
    ],
)
def test_settings_that_a_device_lacks_are_refused(tiny: Path, options: dict[str, object], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        open_codec(str(tiny), device="cpu", **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mini_encoder() -> object:
    return open_codec("mini", device="cpu")._model.encoder
