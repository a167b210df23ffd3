"""Compare the length that the header of an audio file states with what is there.

A stated length may be unknown, zero, wrapped or wrong, and a file may have been cut. What is there decides: a wrong
header is replaced for the decoder. A file that was cut is distinguished from a file with a wrong header.
"""

from __future__ import annotations

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.lengths.chunks import check_chunks
from rmod_pipeline.library.lengths.flac import check_flac, is_flac_cut
from rmod_pipeline.library.lengths.mp3 import check_mp3
from rmod_pipeline.library.lengths.ogg import check_ogg
from rmod_pipeline.library.lengths.source import ByteSource, LengthCheck, RepairedFile

__all__ = ["ByteSource", "LengthCheck", "RepairedFile", "check_length", "cut_error", "is_flac_cut", "open_repaired"]


def check_length(source: ByteSource) -> LengthCheck:
    """Compare the stated length of a file with its content. A container without a rule counts as right."""
    for check in (check_chunks, check_flac, check_ogg, check_mp3):
        result = check(source)
        if result is not None:
            return result
    return LengthCheck()


def open_repaired(source: ByteSource, about: object) -> RepairedFile | None:
    """Return the file with a correct header, or None if it needs none. Raises AssetError for a file that was cut."""
    result = check_length(source)
    if result.missing:
        raise cut_error(about, result.missing)
    return RepairedFile(source, result.repair) if result.repair else None


def cut_error(about: object, missing: str) -> AssetError:
    """Return the error for a file that was cut."""
    return AssetError(about, f"ends early: {missing}", "fetch it again")
