"""The network of a spectral codec: spectra -> latents -> residual codebooks -> spectra.

All layers run at the rate of the tokens or at four times that rate, never at the sample rate. That makes the codec
several times as fast on a CPU as a ``dac.DAC``. Its inputs and outputs are levels on a logarithmic scale, so a soft
sound is coded nearly as well as a loud one. Below ``LOW_HZ`` the latents hold the waveform.

The layers follow Vocos (arXiv 2306.00814). What the decoder makes of its own phases repeats with every token frame,
where a hi-hat is noise. So high up, the phases are those of a noise, but for attacks. The quantizer is that of
``dac``, so tokens have the same shape and meaning.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rmod_pipeline.codec.descript import import_dac
from rmod_pipeline.codec.spectral.transform import (
    LOW_HZ,
    analyse,
    analyse_low,
    count_low,
    make_lapped_basis,
    synthesise,
    synthesise_low,
)

STEPS = 4
"""Spectra per token frame."""
BANDS = 48
"""Mel bands in which the encoder sees levels."""
QUIETEST = 1e-5
"""-100 dB: quieter parts of a spectrum count as silence."""
QUIETEST_NEPERS = -14.0
"""Least level of the decoder: -122 dB."""
COMPRESSION = 0.3
"""Exponent of magnitudes where the encoder sees phases: 60 dB less are an eighth."""
LOW_WEIGHT = 6.0
"""Scale of the latents that hold the waveform, beside the others."""
COHERENT_HZ, NOISY_HZ = 1500.0, 3000.0
"""Up to the first frequency phases are the decoder's, from the second on those of a noise."""
ATTACK_RISE = 1.0
"""Rise of the mean level above that of the steps before, in nepers, from which on phases are the decoder's: 9 dB."""
ATTACK_STEPS = 16
"""Steps before an attack that are all below it, 46 ms. With one, the decoder made every frame an attack."""
NOISE_SAMPLES = 1 << 16
"""Length of the noise, which repeats."""


class SpectralCodec(nn.Module):
    """A codec with the interface of ``dac.DAC``: encoder, quantizer, decode.

    The names of parameters and buffers are part of the checkpoint format. Raises ValueError for sizes that do not fit.
    """

    def __init__(
        self,
        *,
        hop: int = 512,
        encoder_width: int = 256,
        encoder_blocks: int = 4,
        latent_dim: int = 64,
        decoder_width: int = 288,
        decoder_blocks: int = 4,
        step_width: int = 160,
        step_blocks: int = 4,
        n_codebooks: int = 9,
        codebook_size: int = 1024,
        codebook_dim: int = 8,
        quantizer_dropout: float = 0.5,
        sample_rate: int = 44_100,
    ) -> None:
        super().__init__()
        if hop % STEPS or hop // STEPS % 2:
            raise ValueError(f"hop is {hop}, it must be a multiple of {2 * STEPS}")
        self.sample_rate, self.hop_length = sample_rate, hop
        self.n_codebooks, self.codebook_size = n_codebooks, codebook_size
        self.encoder = SpectralEncoder(hop // STEPS, sample_rate, encoder_width, encoder_blocks, latent_dim)
        self.quantizer = import_dac().nn.quantize.ResidualVectorQuantize(
            latent_dim, n_codebooks, codebook_size, codebook_dim, quantizer_dropout
        )
        self.decoder = SpectralDecoder(
            hop // STEPS, sample_rate, latent_dim, (decoder_width, decoder_blocks), (step_width, step_blocks)
        )

    def decode(self, latents: Tensor) -> Tensor:
        """Return audio [n, 1, frames * hop] of latents [n, latent_dim, frames]."""
        audio: Tensor = self.decoder(latents)
        return audio


class SpectralEncoder(nn.Module):
    """From audio to latents: [n, 1, frames * hop] -> [n, latent_dim, frames]."""

    bands: Tensor
    basis: Tensor

    def __init__(self, step: int, sample_rate: int, width: int, blocks: int, latent_dim: int) -> None:
        super().__init__()
        self.step = step
        self.register_buffer("bands", _make_mel_filters(step, sample_rate))
        self.register_buffer("basis", _make_low_basis(step, sample_rate), persistent=False)
        step_width = max(width * 3 // 8, 8)
        self.into = nn.Linear(2 * (2 * step + 1) + BANDS, step_width)
        self.join = nn.Conv1d(step_width, width, 2 * STEPS, stride=STEPS, padding=STEPS // 2)
        self.blocks = nn.Sequential(*(SpectralBlock(width) for _ in range(blocks)))
        if latent_dim <= self.basis.shape[1]:
            raise ValueError(f"latent_dim is {latent_dim}, the waveform alone takes {self.basis.shape[1]}")
        self.out = nn.Conv1d(width, latent_dim - self.basis.shape[1], 1)

    def forward(self, audio: Tensor) -> Tensor:
        """Return the latents of audio."""
        with torch.autocast(audio.device.type, enabled=False):
            seen = self._see(analyse(audio[:, 0], self.step))
            low = analyse_low(audio[:, 0], self.basis)
            low = LOW_WEIGHT * low.sign() * low.abs().sqrt()
        hidden = nn.functional.gelu(self.into(seen)).transpose(1, 2)
        # Bounded: otherwise these latents grow, and the codebooks have no entries left for the waveform.
        learned = self.out(self.blocks(self.join(hidden))).tanh()
        return torch.cat([low.transpose(1, 2), learned], dim=1)

    def _see(self, spectra: Tensor) -> Tensor:
        """Return what the network sees of spectra: compressed ones, and levels in bands; [n, frames, inputs]."""
        magnitude = spectra.abs().clamp_min(QUIETEST)
        compressed = spectra * magnitude.pow(COMPRESSION - 1)
        levels = (magnitude.square() @ self.bands.t()).clamp_min(QUIETEST**2).log10() / 4 + 1.25
        return torch.cat([compressed.real, compressed.imag, levels], dim=2)


class SpectralDecoder(nn.Module):
    """From latents to audio: [n, latent_dim, frames] -> [n, 1, frames * hop]."""

    basis: Tensor
    is_high: Tensor
    is_noisy: Tensor
    noise: Tensor

    def __init__(
        self, step: int, sample_rate: int, latent_dim: int, frames: tuple[int, int], steps: tuple[int, int]
    ) -> None:
        super().__init__()
        self.step, self.bins = step, 2 * step + 1
        (width, blocks), (step_width, step_blocks) = frames, steps
        self.into = nn.Conv1d(latent_dim, width, 3, padding=1)
        self.blocks = nn.Sequential(*(SpectralBlock(width) for _ in range(blocks)))
        self.split = nn.Conv1d(width, STEPS * step_width, 1)
        self.step_blocks = nn.Sequential(*(SpectralBlock(step_width) for _ in range(step_blocks)))
        self.norm = nn.LayerNorm(step_width)
        self.out = nn.Linear(step_width, 2 * self.bins)
        assert self.out.bias is not None
        nn.init.constant_(self.out.bias[: self.bins], -5.0)  # new weights whisper
        self.register_buffer("basis", _make_low_basis(step, sample_rate), persistent=False)
        hz = torch.arange(self.bins) * (sample_rate / (4 * step))
        self.register_buffer("is_high", (hz >= LOW_HZ).float(), persistent=False)
        share = ((hz - COHERENT_HZ) / (NOISY_HZ - COHERENT_HZ)).clamp(0, 1)
        self.register_buffer("is_noisy", share, persistent=False)
        self.register_buffer("noise", _make_noise(step), persistent=False)

    def forward(self, latents: Tensor) -> Tensor:
        """Return the audio of latents; in training the noise begins anywhere."""
        hidden = self.split(self.blocks(self.into(latents)))
        hidden = hidden.unflatten(1, (-1, STEPS)).permute(0, 1, 3, 2).flatten(2)  # [n, step width, steps]
        outputs = self.out(self.norm(self.step_blocks(hidden).transpose(1, 2))).float()
        levels, phases = outputs.split([self.bins, self.bins], dim=2)
        levels = levels.clamp(QUIETEST_NEPERS, 3)
        start = int(torch.randint(len(self.noise), ())) if self.training else 0
        place = (torch.arange(levels.shape[1], device=latents.device) + start) % len(self.noise)
        coherent = torch.polar(torch.ones_like(phases), phases)
        noisy = self.is_noisy * (1 - self._find_attacks(levels))
        spectra = levels.exp() * (coherent + noisy * (self.noise[place] - coherent))
        low = latents[:, : self.basis.shape[1]].float().transpose(1, 2) / LOW_WEIGHT
        audio = synthesise(spectra * self.is_high, self.step) + synthesise_low(low * low.abs(), self.basis)
        return audio[:, None]

    def _find_attacks(self, levels: Tensor) -> Tensor:
        """Return how much each step is an attack, 0 to 1: [n, steps, 1] of levels [n, steps, bins] in nepers."""
        mean = (levels * self.is_noisy).sum(2, keepdim=True) / self.is_noisy.sum()
        earlier = nn.functional.pad(mean[:, :-1].transpose(1, 2), (ATTACK_STEPS, 0), value=QUIETEST_NEPERS)
        before = nn.functional.max_pool1d(earlier, ATTACK_STEPS, stride=1).transpose(1, 2)
        return torch.sigmoid(4 * (mean - before - ATTACK_RISE))


class SpectralBlock(nn.Module):
    """A ConvNeXt block over time: [n, width, frames] -> the same shape. Liu et al. (2022), arXiv 2201.03545."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames with what the block adds."""
        hidden = self.norm(self.over_time(frames).transpose(1, 2))
        added: Tensor = self.narrow(nn.functional.gelu(self.wide(hidden)))
        return frames + (self.scale * added).transpose(1, 2)


def _make_mel_filters(step: int, sample_rate: int) -> Tensor:
    """Return the weights of mel bands that cover every bin: [bands, bins].

    Triangles on Slaney's scale, as ``librosa.filters.mel`` makes them. They are part of a codec's weights, so that no
    library decides what its tokens are.
    """
    hz = torch.arange(2 * step + 1, dtype=torch.float64) * sample_rate / (4 * step)
    edges = _mel_to_hz(torch.linspace(0, _hz_to_mel(sample_rate / 2), BANDS + 2, dtype=torch.float64))
    rise = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    weights = torch.minimum(rise, fall).clamp_min(0).float()
    # Low bands are narrower than a bin: every band takes at least its nearest bin, every bin belongs to a band.
    nearest = (edges[1:-1] * 4 * step / sample_rate).round().long().clamp_max(2 * step)
    weights[torch.arange(BANDS), nearest] = weights[torch.arange(BANDS), nearest].clamp_min(1e-2)
    empty = (weights.sum(0) == 0).nonzero().squeeze(1)
    closest = (empty[:, None] - nearest[None]).abs().argmin(1)
    weights[closest, empty] = 1e-2
    return weights


def _hz_to_mel(hz: float) -> float:
    """Return the place of a frequency on Slaney's scale: linear up to 1 kHz, then logarithmic."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def _mel_to_hz(mel: Tensor) -> Tensor:
    """Return the frequencies of places on Slaney's scale."""
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * (math.log(6.4) / 27)))


def _make_low_basis(step: int, sample_rate: int) -> Tensor:
    """Return the functions below ``LOW_HZ`` of a lapped transform of token frames: [2 * hop, count]."""
    hop = STEPS * step
    return make_lapped_basis(hop, count_low(hop, sample_rate))


def _make_noise(step: int) -> Tensor:
    """Return the spectra of white noise that repeats without a seam: [frames, bins], the same on every machine."""
    # A counter through an integer hash, because generators may differ between versions of torch.
    state = torch.arange(NOISE_SAMPLES // step * step, dtype=torch.int64) * 2_654_435_761 % (1 << 32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        state = ((state ^ (state >> shift)) * factor) % (1 << 32)
    white = ((state ^ (state >> 16)) / (1 << 31) - 1).float()
    edge = 8 * step
    spectra = analyse(torch.cat([white[-edge:], white, white[:edge]])[None], step)[0]
    return spectra[8:-8] / spectra.abs().square().mean().sqrt()
