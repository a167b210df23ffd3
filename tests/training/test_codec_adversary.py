"""The adversarial losses of a codec: what the discriminators learn, and the spectrograms that they hear."""

from __future__ import annotations

import pytest
import torch

from rmod_pipeline.codec.descript import PlainSignal, SpectrogramShape
from rmod_pipeline.errors import CodecError
from rmod_pipeline.training.codec.adversary import Adversary, Discriminators, compute_discriminator_loss
from rmod_pipeline.training.codec.recipe import CodecRecipe, load_codec_recipe


def adversarial_recipe(weight: float) -> CodecRecipe:
    recipe = load_codec_recipe("mini")
    return recipe.model_copy(update={"losses": recipe.losses.model_copy(update={"adversarial": weight})})


@pytest.mark.long
def test_discriminators_learn_to_tell_reconstructions_from_real_sounds() -> None:
    assert Adversary.of(adversarial_recipe(0.0), "cpu").state_dict() == {}
    torch.manual_seed(0)
    adversary = Adversary.of(adversarial_recipe(1.0), "cpu")
    assert isinstance(adversary, Discriminators)
    target = torch.randn(1, 1, 2048)
    reconstruction = torch.sin(torch.arange(2048) / 20)[None, None].requires_grad_()
    before = judge(adversary, reconstruction, target)
    for _ in range(3):
        parts = adversary.losses(reconstruction, target)
    assert judge(adversary, reconstruction, target) < before
    torch.stack([*parts.values()]).sum().backward()
    assert reconstruction.grad is not None
    assert bool(torch.isfinite(reconstruction.grad).all())
    assert all(weight.grad is None or weight.requires_grad for weight in adversary.network.parameters())
    twin = Discriminators(adversarial_recipe(1.0), "cpu")
    twin.load_state_dict(adversary.state_dict())
    assert judge(twin, reconstruction, target) == judge(adversary, reconstruction, target)


def judge(adversary: Discriminators, reconstruction: torch.Tensor, target: torch.Tensor) -> float:
    """Return how badly the discriminators tell the two apart."""
    with torch.no_grad():
        return float(compute_discriminator_loss(adversary.network(reconstruction), adversary.network(target)))


@pytest.mark.parametrize("samples", [2048, 2049, 5000])
def test_a_spectrogram_has_a_frame_for_every_started_hop(samples: int) -> None:
    shape = SpectrogramShape(512, 128, match_stride=True)
    audio = torch.randn(2, 1, samples)
    spectrum = PlainSignal(audio, 44_100, shape).stft()
    assert spectrum.shape == (2, 1, 257, -(-samples // 128))
    # A frame in the middle, computed directly: frame f is centred at the middle of hop f.
    start = 6 * 128 + 64 - 256
    direct = torch.fft.rfft(audio[0, 0, start : start + 512] * torch.hann_window(512))
    torch.testing.assert_close(spectrum[0, 0, :, 6], direct, atol=1e-4, rtol=1e-4)


def test_another_spectrogram_needs_the_real_package() -> None:
    with pytest.raises(CodecError, match="descript-audiotools"):
        PlainSignal(torch.zeros(1, 1, 2048), 44_100, SpectrogramShape(512, 128)).stft()
