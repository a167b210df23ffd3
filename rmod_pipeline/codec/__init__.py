"""Audio -> tokens and back. Knows nothing of pairs: arrays in, arrays out. torch is imported when a codec is opened."""

from rmod_pipeline.codec.codec import Codebooks, Codec, CodecChoice, CodecIdentity, Tokens, differing, open_codec
from rmod_pipeline.codec.window import Windowed, fit_window, frames_of, mono_of, target_frames
from rmod_pipeline.errors import CodecError

__all__ = [
    "Codebooks",
    "Codec",
    "CodecChoice",
    "CodecError",
    "CodecIdentity",
    "Tokens",
    "Windowed",
    "differing",
    "fit_window",
    "frames_of",
    "mono_of",
    "open_codec",
    "target_frames",
]
