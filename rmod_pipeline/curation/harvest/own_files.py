"""Know which files in a harvest's folder the harvest wrote, also after it was stopped.

DIR/harvest.json             settings, and every file of a finished harvest with its checksum
DIR/.harvest/written.txt     of an unfinished one: checksum and name of each file, noted before it is written
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from rmod_pipeline.curation.harvest.store import WORK_FOLDER
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage.publish import file_digest, publish_bytes
from rmod_pipeline.storage.writing import check_writable_folder, report_unwritable

MARKER, SOUNDS, SONGS, MANIFEST, PAGE = "harvest.json", "harvest.csv", "songs.csv", "manifest.csv", "listen.html"
TABLES = (SOUNDS, SONGS, MANIFEST)
MOVE_AWAY = "choose another --out, or move this file away"

_FORMAT = "rmod_harvest"
_NOTES = "written.txt"
_OUR_SOUNDS = re.compile(r"[a-z][a-z0-9_]*/[^/]+\.wav")


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """The files of a harvest, with their checksums; those of sounds that are not written yet are empty."""

    sounds: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    is_finished: bool = False


def check_harvest_folder(out: Path) -> OwnFiles:
    """Return the files of an earlier harvest in a folder; none for a new or empty folder.

    Raises UsageError if the path is no folder or not writable, holds files but no harvest, has a table that no harvest
    wrote, or if a sound or a table of the earlier harvest was changed since.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(out, "is a file, but a folder is needed", "choose another --out")
    check_writable_folder(out)
    if not out.is_dir():
        return OwnFiles()
    earlier = _read_marker(out)
    if earlier is None:
        with report_unwritable(out):
            foreign = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if foreign:
            raise UsageError(out, f"holds {foreign[0]}, and no harvest", "choose a new or an empty folder")
        return OwnFiles()
    noted = defaultdict[str, set[str]](set) if earlier.is_finished else _read_notes(out)
    for name in (*earlier.sounds, *TABLES):
        path, listed = out / name, earlier.sounds.get(name) or earlier.tables.get(name)
        known = noted[name] | ({listed} if listed else set())
        if path.is_file() and file_digest(path) not in known:
            found = "was changed since the harvest wrote it" if known else "is not known to be written by a harvest"
            raise UsageError(path, found, MOVE_AWAY)
    return earlier


def begin_harvest(out: Path, earlier: OwnFiles) -> None:
    """Make the folder and mark it as that of a harvest, which is unfinished."""
    with report_unwritable(out):
        (out / WORK_FOLDER).mkdir(parents=True, exist_ok=True)
        if earlier.is_finished:
            (out / WORK_FOLDER / _NOTES).unlink(missing_ok=True)  # of a process that was killed when it had finished
        _write_marker(out, {"unfinished": True}, earlier)


def write_own_file(out: Path, name: str, data: bytes) -> str:
    """Write a file of a harvest and return its checksum, which is noted first: the harvest may be stopped anywhere.

    Raises UsageError if it cannot be written.
    """
    digest = sha256(data).hexdigest()
    with report_unwritable(out / name):
        with (out / WORK_FOLDER / _NOTES).open("a", encoding="utf-8") as file:
            # The line before may be half a line of a process that was killed.
            file.write(f"\n{digest} {name}\n")
            file.flush()
            os.fsync(file.fileno())
        publish_bytes(data, out / name, out / WORK_FOLDER)
    return digest


def end_harvest(out: Path, content: Mapping[str, Any], sounds: Mapping[str, str]) -> None:
    """Write the marker of a finished harvest, with the tables that are there."""
    tables = {name: file_digest(out / name) for name in TABLES if (out / name).is_file()}
    with report_unwritable(out):
        _write_marker(out, content, OwnFiles(sounds, tables))
        (out / WORK_FOLDER / _NOTES).unlink(missing_ok=True)


def _read_marker(out: Path) -> OwnFiles | None:
    """Return the files that the folder's marker lists, if a harvest could have written them; None without a marker."""
    try:
        content = json.loads((out / MARKER).read_bytes())
        if content.get(_FORMAT) != 1:
            return None
        sounds = {str(name): str(digest) for name, digest in content["files"].items()}
        tables = {str(name): str(digest) for name, digest in content.get("tables", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return OwnFiles(
        {name: digest for name, digest in sounds.items() if _OUR_SOUNDS.fullmatch(name) and ".." not in name},
        {name: digest for name, digest in tables.items() if name in TABLES},
        is_finished="unfinished" not in content,
    )


def _read_notes(out: Path) -> defaultdict[str, set[str]]:
    """Return the noted checksums of each file. Half a line is no note: its file was not written yet."""
    noted: defaultdict[str, set[str]] = defaultdict(set)
    try:
        lines = (out / WORK_FOLDER / _NOTES).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return noted
    for line in lines:
        digest, _, name = line.partition(" ")
        noted[name].add(digest)
    return noted


def _write_marker(out: Path, content: Mapping[str, Any], files: OwnFiles) -> None:
    whole = {
        _FORMAT: 1,
        **content,
        "files": dict(sorted(files.sounds.items())),
        "tables": dict(sorted(files.tables.items())),
    }
    publish_bytes(json.dumps(whole, indent=1).encode() + b"\n", out / MARKER, out / WORK_FOLDER)
