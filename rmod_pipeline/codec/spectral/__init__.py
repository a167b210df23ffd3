"""A codec whose network runs on spectra at the rate of its tokens, with the quantizer of descript-audio-codec.

``model.py`` is the place to start reading.
"""

from rmod_pipeline.codec.spectral.model import SpectralCodec

__all__ = ["SpectralCodec"]
