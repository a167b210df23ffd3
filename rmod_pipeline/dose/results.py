"""An extraction -> a folder: a WAV for each instrument, further candidates, and what they are.

OUT/kick.wav                      the best
OUT/candidates/kick-02.wav        the others, by rank
OUT/extraction.json               window, seed, try and score of each; checkpoints, codec. Written last
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rmod_pipeline import __version__
from rmod_pipeline.audio import to_pcm
from rmod_pipeline.dose.errors import DoseError
from rmod_pipeline.dose.extraction import Candidate, Extracted, Extraction
from rmod_pipeline.shards.members import encode_audio
from rmod_pipeline.shards.publish import publish_bytes

JSON = "extraction.json"
FURTHER = "candidates"

_OURS = re.compile(rf"[a-z][a-z0-9_]*\.wav|{FURTHER}/[a-z][a-z0-9_]*-\d+\.wav")
_DIGITS = 6
"""Significant ones of a number in JSON: more would differ from one machine to another."""


def check_folder(out: Path) -> None:
    """Raise DoseError if this cannot become a folder of results."""
    existing = next(each for each in (out, *out.absolute().parents) if each.exists())
    if not existing.is_dir():
        raise DoseError(existing, "is a file, a folder is needed", "choose another --out")


def write_extraction(extraction: Extraction, out: Path) -> dict[str, Path]:
    """Write a folder of results and return the best sound's path by instrument.

    Each file appears whole or not at all; those of an earlier extraction into this folder are replaced or removed.
    Raises DoseError.
    """
    rate = extraction.codec.sample_rate
    names = {
        sound_name(each.instrument, rank): candidate
        for each in extraction.instruments
        for rank, candidate in enumerate(each.candidates, 1)
    }
    try:
        before = _earlier(out)
        for name, candidate in names.items():
            publish_bytes(encode_audio(to_pcm(candidate.audio[None]), rate, "wav"), out / name, out)
        for name in before - set(names):
            (out / name).unlink(missing_ok=True)
        with suppress(OSError):  # there if it is empty
            (out / FURTHER).rmdir()
        publish_bytes(json.dumps(describe(extraction), indent=1).encode() + b"\n", out / JSON, out)
    except OSError as error:
        found = f"cannot be written: {error.strerror or error}"
        raise DoseError(error.filename or out, found, "choose another --out") from error
    return {each.instrument: out / sound_name(each.instrument, 1) for each in extraction.instruments}


def sound_name(instrument: str, rank: int) -> str:
    """Return what a candidate's file is called, from the folder of results on; the best has rank 1."""
    return f"{instrument}.wav" if rank == 1 else f"{FURTHER}/{instrument}-{rank:02d}.wav"


def describe(extraction: Extraction) -> dict[str, Any]:
    """Return what stands in the JSON: the same for the same song, models, codec and options."""
    return {
        "rmod_extraction": 1,
        "rmod": __version__,
        "song": {"file": Path(extraction.about).name, "seconds": _rounded(extraction.seconds)},
        "asked": asdict(extraction.asked),
        "codec": extraction.codec.to_dict(),
        "notes": list(extraction.notes),
        "sounds": [sound for each in extraction.instruments for sound in _sounds(each, extraction.codec.name)],
    }


def _sounds(extracted: Extracted, codec: str) -> Iterator[dict[str, Any]]:
    for rank, candidate in enumerate(extracted.candidates, 1):
        yield {
            "file": sound_name(extracted.instrument, rank),
            "instrument": extracted.instrument,
            "rank": rank,
            **_origin(extracted, candidate),
            "checkpoint": dict(extracted.checkpoint),
            "codec": codec,
        }


def _origin(extracted: Extracted, candidate: Candidate) -> Mapping[str, Any]:
    window = extracted.windows[candidate.window]
    return {
        "window_seconds": _rounded(window.seconds),
        "window_clarity_db": None if window.clarity_db is None else _rounded(window.clarity_db),
        "try": candidate.number,
        "seed": candidate.seed,
        "temperature": candidate.temperature,
        "top_p": candidate.top_p,
        "log_probability": _rounded(candidate.log_probability),
        "silent": candidate.silent,
        "gain_db": _rounded(candidate.gain_db),
        "samples": int(candidate.audio.size),
    }


def _earlier(out: Path) -> set[str]:
    """Return the sounds of an earlier extraction into this folder, by its own JSON; nothing that we would not write."""
    try:
        said = json.loads((out / JSON).read_bytes())
        names = {str(sound["file"]) for sound in said["sounds"]} if "rmod_extraction" in said else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in names if _OURS.fullmatch(name)}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
