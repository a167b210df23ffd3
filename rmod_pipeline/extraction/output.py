"""An extraction -> a folder: a WAV for each instrument, further candidates, and what they are.

OUT/kick.wav                      the best
OUT/candidates/kick-02.wav        the others, by rank
OUT/extraction.json               window, seed, try and score of each; checkpoints, codec. Written last; before that it
                                  only lists the sounds, so that those of a stopped extraction count as ours
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rmod_pipeline import __version__
from rmod_pipeline.audio import to_pcm
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction.results import Candidate, Extracted, Extraction, ExtractionConfig
from rmod_pipeline.shards.members import encode_audio
from rmod_pipeline.storage.publish import publish_bytes

JSON = "extraction.json"
FURTHER = "candidates"
ELSEWHERE = "choose another --out, or move this file away"

_OURS = re.compile(rf"[a-z][a-z0-9_]*\.wav|{FURTHER}/[a-z][a-z0-9_]*-\d+\.wav")
_DIGITS = 6
"""Significant ones of a number in JSON: more would differ from one machine to another."""


def check_extraction_folder(out: Path) -> None:
    """Raise DoseError if this cannot become a folder of results."""
    existing = next(each for each in (out, *out.absolute().parents) if each.exists())
    if not existing.is_dir():
        raise DoseError(existing, "is a file, a folder is needed", "choose another --out")


def check_sounds(out: Path, instruments: Iterable[str], asked: ExtractionConfig) -> None:
    """Raise DoseError if an extraction of these would replace what no extraction wrote. To be asked before the work."""
    most = (len(asked.at) or asked.windows) * (1 + asked.tries)
    _refuse_others(out, [sound_name(each, rank) for each in instruments for rank in range(1, most + 1)])


def _refuse_others(out: Path, names: Sequence[str]) -> set[str]:
    """Return the sounds of an earlier extraction. Raises DoseError if another file has one of these names."""
    before = _earlier(out)
    if before is None and (out / JSON).exists():
        raise DoseError(out / JSON, "is there already, and no extraction of rmod's", ELSEWHERE)
    ours = before or set()
    for name in names:
        if name not in ours and (out / name).exists():
            raise DoseError(out / name, f"is there already, and by no extraction: {JSON} does not list it", ELSEWHERE)
    return ours


def write_extraction(extraction: Extraction, out: Path) -> dict[str, Path]:
    """Write a folder of results and return the best sound's path by instrument.

    Each file appears whole or not at all; those of an earlier extraction into this folder are replaced or removed.
    Raises DoseError, also before a file is replaced that no extraction wrote.
    """
    rate = extraction.codec.sample_rate
    names = {
        sound_name(each.instrument, rank): candidate
        for each in extraction.instruments
        for rank, candidate in enumerate(each.candidates, 1)
    }
    try:
        before = _refuse_others(out, list(names))
        listed = [{"file": name} for name in sorted({*names, *before})]
        _write_json({"rmod_extraction": 1, "unfinished": True, "sounds": listed}, out)
        for name, candidate in names.items():
            publish_bytes(encode_audio(to_pcm(candidate.audio[None]), rate, "wav"), out / name, out)
        for name in before - set(names):
            (out / name).unlink(missing_ok=True)
        with suppress(OSError):  # there if it is empty
            (out / FURTHER).rmdir()
        _write_json(describe_extraction(extraction), out)
    except OSError as error:
        found = f"cannot be written: {error.strerror or error}"
        raise DoseError(error.filename or out, found, "choose another --out") from error
    return {each.instrument: out / sound_name(each.instrument, 1) for each in extraction.instruments}


def _write_json(said: Mapping[str, Any], out: Path) -> None:
    publish_bytes(json.dumps(said, indent=1).encode() + b"\n", out / JSON, out)


def sound_name(instrument: str, rank: int) -> str:
    """Return what a candidate's file is called, from the folder of results on; the best has rank 1."""
    return f"{instrument}.wav" if rank == 1 else f"{FURTHER}/{instrument}-{rank:02d}.wav"


def describe_extraction(extraction: Extraction) -> dict[str, Any]:
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
        "apart": None if candidate.apart is None else _rounded(candidate.apart),
        "misfit_db": None if candidate.misfit_db is None else _rounded(candidate.misfit_db),
        "silent": candidate.silent,
        "gain_db": _rounded(candidate.gain_db),
        "samples": int(candidate.audio.size),
    }


def _earlier(out: Path) -> set[str] | None:
    """Return the sounds of an earlier extraction into this folder, by its own JSON; nothing that we would not write.

    None if there was none.
    """
    try:
        said = json.loads((out / JSON).read_bytes())
        if "rmod_extraction" not in said:
            return None
        names = {str(sound["file"]) for sound in said["sounds"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return {name for name in names if _OURS.fullmatch(name)}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
