"""Make the network of a codec from its arguments: a ``dac.DAC``, or rmod's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from rmod_pipeline.codec.descript import new_model

SPECTRAL = "spectral"
"""Value of the argument ``architecture`` of rmod's own network. The arguments of a ``dac.DAC`` have no such key."""


def new_network(kwargs: Mapping[str, Any]) -> Any:
    """Return a network with random weights. Raises CodecError if dac or torch is missing, TypeError and ValueError."""
    if kwargs.get("architecture") != SPECTRAL:
        return new_model(**kwargs)
    from rmod_pipeline.codec.spectral import SpectralCodec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the quantizer of dac uses the deprecated weight_norm
        return SpectralCodec(**{name: value for name, value in kwargs.items() if name != "architecture"})
