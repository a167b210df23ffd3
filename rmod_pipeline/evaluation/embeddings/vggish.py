"""VGGish: the embedding of the first Fréchet audio distance, with weights that the user brings.

The weights are a state dict of PyTorch with the public names of the common port of VGGish (``features.0.weight`` to
``embeddings.4.bias``). As in the common FAD tools, the vectors are the outputs of the last linear layer: no ReLU after
it, no PCA, no rounding to bytes. The names of parameters and the order of their inputs follow the port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rmod_pipeline.codec.model_files import load_network
from rmod_pipeline.codec.torch_support import check_state_dict, unpickle_weights
from rmod_pipeline.errors import ModelError
from rmod_pipeline.evaluation.embeddings.base import (
    Sounds,
    cut_patches,
    make_identity,
    prepare_batches,
    read_embedding_weights,
    stack_vectors,
)

VGGISH = "VGGish"
VGGISH_RATE = 16_000
WINDOW, FRAME_HOP, TRANSFORM = 400, 160, 512
"""25 ms, 10 ms, and the length of the FFT."""
MEL_BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 125.0, 7500.0
LOG_OFFSET = 0.01
PATCH_FRAMES = 96
PATCH = WINDOW + (PATCH_FRAMES - 1) * FRAME_HOP
"""Samples of a patch: 0.975 s; patches follow each other by 0.96 s."""
DIMENSIONS = 128
LAYERS = (64, None, 128, None, 256, 256, None, 512, 512, None)
"""Channels of each convolution; None halves both axes."""
HIDDEN = 4096
"""Width of the two layers before the last."""
POSTPROCESSING = "pproc."
"""Arrays for PCA and rounding, which are not used here."""
ABOUT = "a PyTorch state dict of VGGish, such as vggish-10086976.pth"


class Vggish(nn.Module):
    """The network: log-mel patches [n, 1, 96, 64] to vectors [n, 128]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width in LAYERS:
            if width is None:
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        flat = channels * (PATCH_FRAMES // 16) * (MEL_BANDS // 16)
        self.embeddings = nn.Sequential(
            nn.Linear(flat, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIMENSIONS)
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Return the vectors [n, 128] of patches [n, 1, 96, 64]."""
        # The port was converted from a library that has channels last: frames, bands, channels.
        flat = self.features(patches).permute(0, 2, 3, 1).flatten(1)
        vectors: Tensor = self.embeddings(flat)
        return vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class VggishEmbedding:
    """The vectors of VGGish, the mean over the patches of a sound."""

    model: Vggish
    device: str
    sha256: str
    name: str = VGGISH
    dimensions: int = DIMENSIONS

    @property
    def identity(self) -> str:
        """The name with a checksum of the weights."""
        return make_identity(self.name, self.sha256)

    def embed(self, sounds: Sounds, sample_rate: int) -> NDArray[np.float32]:
        """Return the vectors [n, 128] of sounds [n, samples]; see ``Embedding``."""
        batches = prepare_batches(sounds, sample_rate, VGGISH_RATE)
        return stack_vectors([self._embed_batch(batch) for batch in batches], self.dimensions)

    def _embed_batch(self, batch: Sounds) -> NDArray[np.float32]:
        patches = cut_patches(batch, PATCH, PATCH_FRAMES * FRAME_HOP)
        levels = torch.from_numpy(compute_log_mel(patches.reshape(-1, PATCH)))[:, None]
        with torch.no_grad():
            vectors: Tensor = self.model(levels.to(self.device)).unflatten(0, patches.shape[:2]).mean(1)
        return vectors.cpu().numpy()


def open_vggish(weights: Path | None, device: str = "cpu", sha256: str | None = None) -> VggishEmbedding:
    """Open VGGish from a user's file, without running code from it.

    Raises ModelError for a missing or broken file, one that would run code, one of another checksum than ``sha256``,
    and for arrays of other names or shapes.
    """
    path, data, digest = read_embedding_weights(VGGISH, weights, ABOUT, None, sha256)
    content = unpickle_weights(data, path, ModelError)
    state = check_state_dict(content, path, ModelError, "VGGish", f"give {ABOUT}")
    used = {name: value for name, value in state.items() if not name.startswith(POSTPROCESSING)}
    _require_arrays(used, path)
    model = load_network(Vggish, used, str(path)).to(device)
    return VggishEmbedding(model=model, device=device, sha256=digest)


def compute_log_mel(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the log-mel levels of patches [n, 15600] at 16 kHz: [n, 96, 64]."""
    frames = np.lib.stride_tricks.sliding_window_view(patches, WINDOW, axis=1)[:, ::FRAME_HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    magnitudes = np.abs(np.fft.rfft(frames * hann, TRANSFORM))
    levels: NDArray[np.float32] = np.log(magnitudes @ _mel_weights() + LOG_OFFSET).astype(np.float32)
    return levels


def _require_arrays(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise ModelError unless a state dict has exactly the arrays of the network."""
    with torch.device("meta"):
        expected = Vggish().state_dict()
    for name in sorted({*expected, *state}):
        if name not in state or name not in expected:
            problem = f"no array {name}" if name in expected else f"an array {name}"
            raise ModelError(path, f"not VGGish: it has {problem}", f"give {ABOUT}")
        if state[name].shape != expected[name].shape:
            shapes = f"{list(state[name].shape)}, VGGish has {list(expected[name].shape)}"
            raise ModelError(path, f"not VGGish: {name} is {shapes}", f"give {ABOUT}")


@cache
def _mel_weights() -> NDArray[np.float64]:
    """Return the weights of each band: [bins, bands]. Triangles on HTK's mel scale; bin 0 has no weight."""
    bins = _hertz_to_mel(np.linspace(0, VGGISH_RATE / 2, TRANSFORM // 2 + 1))[:, None]
    edges = np.linspace(_hertz_to_mel(LOWEST_HZ), _hertz_to_mel(HIGHEST_HZ), MEL_BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights: NDArray[np.float64] = np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre))
    weights = weights.clip(0)
    weights[0] = 0
    return weights


def _hertz_to_mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 1127.0 * np.log1p(np.asarray(hertz) / 700.0)
    return mel
