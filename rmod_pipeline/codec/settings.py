"""Define how an encoder runs: precision, batch, compilation, memory layout; and the defaults for each kind of device.

The table ``DEFAULTS`` is the only place that says what a CPU and a GPU use when nothing else is asked for.
`benchmarks/gpu.py --part encode` measures the alternatives and names the best.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from rmod_pipeline.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor

PRECISIONS = ("fp32", "tf32", "bf16")
"""fp32 is exact; tf32 (GPU only) and bf16 are faster and change some tokens."""

WARM_UP_ROUNDS = 3
"""Calls before a CUDA graph is recorded, in which libraries reserve their memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """How an encoder runs. All but ``cuda_graphs`` may change tokens, and are part of the fingerprint."""

    precision: str
    batch: int
    """Sounds encoded at once; the last batch is padded with silence."""
    compiled: bool = False
    """Whether to compile the encoder with torch.compile, which takes about a minute."""
    channels_last: bool = False
    """Whether the convolutions of a ``dac.DAC`` run on [n, time, channels] in memory."""
    cuda_graphs: bool = False
    """Whether a GPU records its kernels once for each shape and replays them. The tokens are the same."""

    def updated(self, choices: Mapping[str, Any]) -> EncoderSettings:
        """Return the settings with those of ``choices`` that are not None."""
        return replace(self, **{name: value for name, value in choices.items() if value is not None})

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings that may change tokens; one that came later is left out where it is off."""
        later = {"channels_last": True} if self.channels_last else {}
        return {"precision": self.precision, "batch": self.batch, "compiled": self.compiled, **later}

    def check(self, device: str) -> None:
        """Raise UsageError for settings that are invalid, or that the kind of ``device`` does not have."""
        kind = device.partition(":")[0]
        if self.precision not in PRECISIONS:
            found = f"unknown '{self.precision}'{nearest(self.precision, PRECISIONS)}"
            raise UsageError("--precision", found, f"choose {', '.join(PRECISIONS)}")
        if self.batch < 1:
            raise UsageError("--batch", f"{self.batch} is too small", "give 1 or more")
        if self.precision == "tf32" and kind == "cpu":
            raise UsageError("--precision", "tf32 needs a GPU", "choose fp32 or bf16 on a CPU")
        if self.cuda_graphs and kind == "cpu":
            raise UsageError("cuda_graphs", "a CPU records no graphs", "leave it out, or choose a GPU")


SETTING_NAMES = tuple(field.name for field in fields(EncoderSettings))

DEFAULTS: Mapping[str, EncoderSettings] = {
    # One sound: its activations fit into the cache (benchmarks/encode.py).
    "cpu": EncoderSettings(precision="fp32", batch=1),
    # Not measured: no GPU was at hand. See docs/lab/gpu.md.
    "cuda": EncoderSettings(precision="fp32", batch=16),
}
"""The settings of each kind of device where a choice leaves them open."""


def default_settings(device: str) -> EncoderSettings:
    """Return the default settings of a device such as ``cpu`` or ``cuda:1``."""
    return DEFAULTS[device.partition(":")[0]]


def prepare_encoder(encoder: Any, settings: EncoderSettings) -> Callable[[Tensor], Tensor]:
    """Return the function that encodes audio [n, 1, samples] to latents as the settings ask; the encoder is shared.

    Raises UsageError for a layout that the encoder cannot have.
    """
    if settings.channels_last and not supports_channels_last(encoder):
        found = "the encoder is not made of one-dimensional convolutions"
        raise UsageError("--channels-last", found, "leave it out: it is for a dac.DAC, such as dac-44khz")
    run: Callable[[Tensor], Tensor] = encoder
    if settings.channels_last:
        run = _ChannelsLast(encoder)
    if settings.compiled:
        run = _compile(run)
    return GraphedFunction(run) if settings.cuda_graphs else run


class GraphedFunction:
    """A function of one tensor whose kernels a GPU records at the first call of each shape, and replays after it.

    The caller must use a result before the next call of the same shape, which overwrites it.
    """

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        self._run = run
        self._recorded: dict[Any, tuple[Any, Tensor, Tensor]] = {}

    def __call__(self, argument: Tensor) -> Tensor:
        """Return the result for a tensor on a GPU."""
        import torch

        key = (tuple(argument.shape), torch.is_autocast_enabled("cuda"), torch.backends.cudnn.allow_tf32)
        if key not in self._recorded:
            self._recorded[key] = self._record(argument)
        graph, given, result = self._recorded[key]
        given.copy_(argument)
        graph.replay()
        return result

    def _record(self, argument: Tensor) -> tuple[Any, Tensor, Tensor]:
        import torch

        given = argument.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_ROUNDS):
                self._run(given)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = self._run(given)
        return graph, given, result


class _ChannelsLast:
    """An encoder of one-dimensional convolutions, as two-dimensional ones of height 1 that torch can lay out so."""

    def __init__(self, encoder: Any) -> None:
        import torch

        # The weights are copied: those of the original keep their layout.
        self._encoder = _widen(copy.deepcopy(encoder)).to(memory_format=torch.channels_last)

    def __call__(self, audio: Tensor) -> Tensor:
        import torch

        latent: Tensor = self._encoder(audio[:, :, None].contiguous(memory_format=torch.channels_last))
        return latent[:, :, 0]


def supports_channels_last(encoder: Any) -> bool:
    """Return whether an encoder is one of one-dimensional convolutions, as that of a ``dac.DAC``."""
    import torch

    parts = [module for module in encoder.modules() if not list(module.children())]
    return all(isinstance(part, torch.nn.Conv1d) or type(part).__name__ == "Snake1d" for part in parts)


def _widen(encoder: Any) -> Any:
    """Replace each one-dimensional convolution within a module by a two-dimensional one of height 1."""
    from torch import nn

    for module in list(encoder.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv1d):
                setattr(module, name, _widen_convolution(child))
    return encoder


def _widen_convolution(narrow: Any) -> Any:
    from torch import nn

    wide = nn.Conv2d(
        narrow.in_channels, narrow.out_channels, (1, *narrow.kernel_size), (1, *narrow.stride),
        (0, *narrow.padding), (1, *narrow.dilation), narrow.groups, narrow.bias is not None,
        device="meta",
    )  # fmt: skip
    wide.weight = nn.Parameter(narrow.weight[:, :, None], requires_grad=False)
    wide.bias = narrow.bias
    return wide


def _compile(run: Any) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.compile(run, dynamic=False)
