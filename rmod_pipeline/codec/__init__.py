"""Audio -> tokens and back. Knows nothing of pairs: arrays in, arrays out. torch is imported when a codec is opened."""

from rmod_pipeline.codec.codec import Choice, Codebooks, Codec, Identity, Tokens, differing, open_codec
from rmod_pipeline.codec.errors import CodecError
from rmod_pipeline.codec.window import Windowed, fit_window, frames_of, mono_of, target_frames

__all__ = [
    "Choice",
    "Codebooks",
    "Codec",
    "CodecError",
    "Identity",
    "Tokens",
    "Windowed",
    "differing",
    "fit_window",
    "frames_of",
    "mono_of",
    "open_codec",
    "target_frames",
]
