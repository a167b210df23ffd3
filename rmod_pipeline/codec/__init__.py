"""Codecs: audio -> tokens and back, with arrays as input and output. torch is imported when a codec is opened."""

from rmod_pipeline.codec.codec import Codebooks, Codec, CodecChoice, Tokens, compute_mismatch_rate, open_codec
from rmod_pipeline.codec.identity import CodecIdentity
from rmod_pipeline.codec.window import AudioWindow, count_frames, fit_window, mix_to_mono, target_frames
from rmod_pipeline.errors import CodecError

__all__ = [
    "AudioWindow",
    "Codebooks",
    "Codec",
    "CodecChoice",
    "CodecError",
    "CodecIdentity",
    "Tokens",
    "compute_mismatch_rate",
    "count_frames",
    "fit_window",
    "mix_to_mono",
    "open_codec",
    "target_frames",
]
