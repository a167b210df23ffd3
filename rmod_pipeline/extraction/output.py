"""Write an extraction to a folder: the best sound of each instrument, the other candidates, and a JSON about them all.

OUT/kick.wav                      the best candidate
OUT/candidates/kick-02.wav        the others, by rank
OUT/extraction.json               window, seed, try and scores of each sound; checkpoints, codec. Before the sounds are
                                  written it only lists them, so that the sounds of an interrupted extraction are known
                                  as such; the full file is written last
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
from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction.results import (
    GENERATED,
    PICKED,
    Candidate,
    Extraction,
    ExtractionConfig,
    GeneratedCandidate,
    InstrumentExtraction,
    PickedCandidate,
)
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.shards.members import encode_audio
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import check_writable_folder, report_unwritable, unwritable_error

JSON = "extraction.json"
CANDIDATES = "candidates"
SAMPLING_OPTIONS = {"temperature", "top_p", "seed"}
"""Options of sampled tries; the greedy one needs none of them."""
HINT_FILE_EXISTS = "choose another --out, or move this file away"

_OUR_FILES = re.compile(rf"[a-z][a-z0-9_]*\.wav|{CANDIDATES}/[a-z][a-z0-9_]*-\d+\.wav")
_DIGITS = 6
"""Significant digits of numbers in JSON; further digits differ between machines."""


def check_extraction_folder(out: Path) -> None:
    """Raise DoseError if this path cannot become a folder of results, or files cannot be written there."""
    with report_unwritable(out, kind=DoseError):
        existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise DoseError(existing, "is a file, but a folder is needed", "choose another --out")
    check_writable_folder(out, kind=DoseError)


def check_sounds(out: Path, instruments: Iterable[str], config: ExtractionConfig) -> None:
    """Raise DoseError if the extraction would replace a file that no extraction wrote. Call it before the work."""
    generated = (len(config.at) or config.windows) * (1 + config.tries)
    most = {GENERATED: generated, PICKED: config.picks}.get(config.answer, generated + config.picks)
    _check_names(out, [sound_name(instrument, rank) for instrument in instruments for rank in range(1, most + 1)])


def write_extraction(extraction: Extraction, out: Path) -> dict[str, Path]:
    """Write a folder of results; return the path of the best sound of each instrument.

    Each file is written atomically. Files of an earlier extraction in this folder are replaced or removed. Raises
    DoseError, also if a file that no extraction wrote would be replaced; then nothing is written.
    """
    rate = extraction.sample_rate
    names = {
        sound_name(each.instrument, rank): candidate
        for each in extraction.instruments
        for rank, candidate in enumerate(each.candidates, 1)
    }
    try:
        earlier = _check_names(out, list(names))
        listed = [{"file": name} for name in sorted({*names, *earlier})]
        _write_json({"rmod_extraction": 1, "unfinished": True, "sounds": listed}, out)
        for name, candidate in names.items():
            publish_bytes(encode_audio(to_pcm(candidate.audio[None]), rate, "wav"), out / name, out)
        for name in earlier - set(names):
            (out / name).unlink(missing_ok=True)
        with suppress(OSError):  # the folder is removed only if it is empty
            (out / CANDIDATES).rmdir()
        _write_json(describe_extraction(extraction), out)
    except OSError as error:
        raise unwritable_error(error.filename or out, error, kind=DoseError) from error
    return {each.instrument: out / sound_name(each.instrument, 1) for each in extraction.instruments}


def sound_name(instrument: str, rank: int) -> str:
    """Return the file name of a candidate, relative to the folder of results; the best has rank 1."""
    return f"{instrument}.wav" if rank == 1 else f"{CANDIDATES}/{instrument}-{rank:02d}.wav"


def describe_extraction(extraction: Extraction) -> dict[str, Any]:
    """Return the content of the JSON: equal for equal songs, models, codecs, ears, libraries and options."""
    return {
        "rmod_extraction": 1,
        "rmod": __version__,
        "song": {"file": Path(extraction.about).name, "seconds": _round(extraction.seconds)},
        "asked": _describe_config(extraction),
        "codec": None if extraction.codec is None else extraction.codec.to_dict(),
        "library": None if extraction.library is None else dict(extraction.library),
        "notes": list(extraction.notes),
        "sounds": [sound for each in extraction.instruments for sound in _describe_sounds(each, extraction.codec)],
    }


def _describe_config(extraction: Extraction) -> dict[str, Any]:
    """Return the options that had an effect on the extraction."""
    config = extraction.config
    options = asdict(config)
    unused = {"windows"} if config.at else {"at"}
    if extraction.codec is None:
        unused |= {"tries", "batch", *SAMPLING_OPTIONS}
    elif not config.tries:
        unused |= SAMPLING_OPTIONS
    if extraction.library is None:
        unused |= {"picks", "layers"}
    return {name: value for name, value in options.items() if name not in unused}


def _describe_sounds(extraction: InstrumentExtraction, codec: CodecIdentity | None) -> Iterator[dict[str, Any]]:
    for rank, candidate in enumerate(extraction.candidates, 1):
        window = extraction.windows[candidate.window]
        yield {
            "file": sound_name(extraction.instrument, rank),
            "instrument": extraction.instrument,
            "rank": rank,
            "window_seconds": _round(window.seconds),
            "window_clarity_db": _round_or_none(window.clarity_db),
            **_describe_answer(candidate),
            "unlikeness": _round_or_none(candidate.unlikeness),
            "apart": _round_or_none(candidate.apart),
            "silent": candidate.silent,
            "gain_db": _round(candidate.gain_db),
            "samples": int(candidate.audio.size),
            "ear": None if extraction.ear is None else dict(extraction.ear),
            **_describe_model(extraction, candidate, codec),
        }


def _describe_answer(candidate: Candidate) -> dict[str, Any]:
    """Return what kind of answer a candidate is, and how it was made."""
    if isinstance(candidate, PickedCandidate):
        return {
            "answer": PICKED,
            "sound": _describe_asset(candidate.asset),
            "layers": [{**_describe_asset(layer.asset), "share": _round(layer.share)} for layer in candidate.layers],
            "variation": asdict(candidate.variation),
        }
    assert isinstance(candidate, GeneratedCandidate)
    return {
        "answer": GENERATED,
        "try": candidate.try_index,
        "seed": candidate.seed,
        "temperature": candidate.temperature,
        "top_p": candidate.top_p,
        "log_probability": _round(candidate.log_probability),
        "misfit_db": _round_or_none(candidate.misfit_db),
    }


def _describe_asset(asset: Asset) -> dict[str, Any]:
    """Return where a known sound comes from, and its licence."""
    return {
        "id": asset.id,
        "file": Path(asset.path).name,
        "kit": asset.kit,
        "licence": asset.licence or None,
        "source": asset.source,
        "sha256": asset.sha256,
    }


def _describe_model(
    extraction: InstrumentExtraction, candidate: Candidate, codec: CodecIdentity | None
) -> dict[str, Any]:
    """Return the model and the codec of a generated candidate; nothing for a picked one."""
    if not isinstance(candidate, GeneratedCandidate) or extraction.checkpoint is None or codec is None:
        return {}
    return {"checkpoint": dict(extraction.checkpoint), "codec": codec.name}


def _check_names(out: Path, names: Sequence[str]) -> set[str]:
    """Return the sounds of an earlier extraction. Raises DoseError if another file has one of the names."""
    earlier = _read_earlier_sounds(out)
    if earlier is None and (out / JSON).exists():
        raise DoseError(out / JSON, "already exists and was not written by an extraction", HINT_FILE_EXISTS)
    ours = earlier or set()
    for name in names:
        if name not in ours and (out / name).exists():
            raise DoseError(
                out / name, f"already exists and is not listed in {JSON}: no extraction wrote it", HINT_FILE_EXISTS
            )
    return ours


def _read_earlier_sounds(out: Path) -> set[str] | None:
    """Return the sounds that the folder's JSON lists, if an extraction could have written them; None without a JSON."""
    try:
        content = json.loads((out / JSON).read_bytes())
        if "rmod_extraction" not in content:
            return None
        names = {str(sound["file"]) for sound in content["sounds"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return {name for name in names if _OUR_FILES.fullmatch(name)}


def _write_json(content: Mapping[str, Any], out: Path) -> None:
    publish_bytes(json.dumps(content, indent=1).encode() + b"\n", out / JSON, out)


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _round_or_none(value: float | None) -> float | None:
    return None if value is None else _round(value)
