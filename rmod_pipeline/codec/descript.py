"""The descript-audio-codec package, imported with or without the audiotools that it asks for.

It takes four names from descript-audiotools, which cannot be installed beside Ray (it wants protobuf below 3.20) and
which imports torchaudio, whose builds do not load beside a CPU torch. Building a model, `encode` and `decode` need
none of what stands behind these names, so where the real package does not import, four empty classes take their place.
A test holds the codes of both ways together.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from typing import Any

from rmod_pipeline.codec.torch_support import need_torch
from rmod_pipeline.errors import CodecError

INSTALL = "pip install --no-deps descript-audio-codec==1.0.0, or `make env` in a checkout"
_NAMES = ("audiotools", "audiotools.core", "audiotools.ml")


def import_dac() -> Any:
    """Return the module ``dac``. Raises CodecError if it, or torch, is not installed."""
    if "dac" in sys.modules:
        return sys.modules["dac"]
    need_torch(CodecError, "codec")
    real = real_audiotools()
    if not real:
        sys.modules.update(_stand_in())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit.script is deprecated, says torch of the package's own code
            return importlib.import_module("dac")
    except ImportError as error:
        raise CodecError("descript-audio-codec", f"not installed: {error}", INSTALL) from error
    finally:
        if not real:
            # Whoever else asks for audiotools must not be given this.
            _forget("audiotools")


def real_audiotools() -> bool:
    """Return whether the real descript-audiotools imports here."""
    try:
        importlib.import_module("audiotools")
    except Exception:  # noqa: BLE001 - a torchaudio of another build fails in many ways; all mean the same here
        _forget("audiotools")
        return False
    return True


def new_model(**kwargs: Any) -> Any:
    """Return a ``dac.DAC`` with random weights."""
    dac = import_dac()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # weight_norm is deprecated; the weights' format is built on it
        return dac.DAC(**kwargs)


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def _stand_in() -> dict[str, types.ModuleType]:
    import torch

    class BaseModel(torch.nn.Module):
        INTERN: list[str] = []  # noqa: RUF012 - as in the original
        EXTERN: list[str] = []  # noqa: RUF012

        @property
        def device(self) -> torch.device:
            return next(self.parameters()).device

    class _Absent:
        """Stands where a name is imported but never used by encode and decode."""

        def __init__(self, *_: object, **__: object) -> None:
            raise CodecError("descript-audiotools", "does not import here", "this needs the real package")

    package, core, ml = (types.ModuleType(name) for name in _NAMES)
    ml.BaseModel, ml.Accelerator = BaseModel, _Absent  # type: ignore[attr-defined]
    core.util = _Absent  # type: ignore[attr-defined]
    package.ml, package.core = ml, core  # type: ignore[attr-defined]
    package.AudioSignal = package.STFTParams = _Absent  # type: ignore[attr-defined]
    return dict(zip(_NAMES, (package, core, ml), strict=True))
