"""Import descript-audio-codec (``dac``) with or without the descript-audiotools package that it imports.

dac imports four names from descript-audiotools. That package conflicts with Ray, because it requires protobuf below
3.20, and it imports torchaudio, whose builds do not load with a CPU build of torch. Models, `encode` and `decode` do
not need these names, and the discriminators need a spectrogram. So where the real package cannot be imported, small
classes replace it. A test compares the tokens and the spectrograms of both ways.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from typing import Any, NamedTuple

from rmod_pipeline.codec.torch_support import require_torch
from rmod_pipeline.errors import CodecError

INSTALL = "pip install --no-deps descript-audio-codec==1.0.0, or `make env` in a checkout"
_NAMES = ("audiotools", "audiotools.core", "audiotools.ml")


def import_dac() -> Any:
    """Return the module ``dac``. Raises CodecError if dac or torch is not installed."""
    if "dac" in sys.modules:
        return sys.modules["dac"]
    require_torch(CodecError, "codec")
    has_audiotools = can_import_audiotools()
    if not has_audiotools:
        sys.modules.update(_make_placeholders())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # dac uses the deprecated torch.jit.script
            return importlib.import_module("dac")
    except ImportError as error:
        raise CodecError("descript-audio-codec", f"not installed: {error}", INSTALL) from error
    finally:
        if not has_audiotools:
            # No other code may import the placeholders.
            _remove_modules("audiotools")


def can_import_audiotools() -> bool:
    """Return whether the real descript-audiotools can be imported."""
    try:
        importlib.import_module("audiotools")
    except Exception:  # noqa: BLE001 - a torchaudio of another build fails in many ways
        _remove_modules("audiotools")
        return False
    return True


def new_model(**kwargs: Any) -> Any:
    """Return a ``dac.DAC`` with random weights."""
    dac = import_dac()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # dac uses the deprecated weight_norm
        return dac.DAC(**kwargs)


def new_discriminator(sample_rate: int) -> Any:
    """Return dac's discriminators with random weights."""
    dac = import_dac()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return dac.model.Discriminator(sample_rate=sample_rate)


class SpectrogramShape(NamedTuple):
    """Replaces ``audiotools.STFTParams``: the arguments that the discriminators give."""

    window_length: int
    hop_length: int
    match_stride: bool = False
    window_type: str | None = None


class PlainSignal:
    """Replaces ``audiotools.AudioSignal`` for the spectrograms of dac's discriminators."""

    def __init__(self, audio: Any, sample_rate: int = 0, stft_params: SpectrogramShape | None = None) -> None:
        """Wrap audio [n, 1, samples]. Raises CodecError for anything else, such as the path of a file."""
        if not hasattr(audio, "shape"):
            raise CodecError("descript-audiotools", "cannot be imported", "install the real package")
        self.audio_data, self.sample_rate, self.stft_params = audio, sample_rate, stft_params

    def stft(self) -> Any:
        """Return the complex spectrogram [n, 1, bins, frames]: a Hann window, and a frame for every started hop."""
        import torch

        shape = self.stft_params
        if shape is None or not shape.match_stride:
            raise CodecError("descript-audiotools", "cannot be imported", "install the real package")
        samples, size, hop = self.audio_data.shape[-1], shape.window_length, shape.hop_length
        edge = (size - hop) // 2
        audio = torch.nn.functional.pad(self.audio_data, (edge, edge + -samples % hop), mode="reflect")
        window = torch.hann_window(size, device=audio.device)
        spectrum = torch.stft(audio.flatten(0, 1), size, hop, window=window, return_complex=True)
        # torch pads by half a window at both ends. These frames would be two more than there are hops, at each.
        return spectrum.unflatten(0, audio.shape[:2])[..., 2:-2]


def _remove_modules(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _make_placeholders() -> dict[str, types.ModuleType]:
    import torch

    class BaseModel(torch.nn.Module):
        INTERN: list[str] = []  # noqa: RUF012 - as in the original
        EXTERN: list[str] = []  # noqa: RUF012

    class _Placeholder:
        """Replaces a class that dac imports and that rmod does not use."""

        def __init__(self, *_: object, **__: object) -> None:
            raise CodecError("descript-audiotools", "cannot be imported", "install the real package")

    package, core, ml = (types.ModuleType(name) for name in _NAMES)
    ml.BaseModel, ml.Accelerator = BaseModel, _Placeholder  # type: ignore[attr-defined]
    core.util = _Placeholder  # type: ignore[attr-defined]
    package.ml, package.core = ml, core  # type: ignore[attr-defined]
    package.AudioSignal, package.STFTParams = PlainSignal, SpectrogramShape  # type: ignore[attr-defined]
    return dict(zip(_NAMES, (package, core, ml), strict=True))
