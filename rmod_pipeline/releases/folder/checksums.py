"""Write and check SHA256SUMS, in the form that ``sha256sum -c`` reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rmod_pipeline.inspection.findings import Finding
from rmod_pipeline.library.process_pool import CountProgress
from rmod_pipeline.releases.folder.signature import SIGNATURE
from rmod_pipeline.storage.publish import file_digest

CHECKSUMS = "SHA256SUMS"
"""The file of the checksums in the folder of a release. It lists all but itself, its signature and SITE_FILES."""

SITE_FILES = frozenset({".gitattributes", "dataset-metadata.json", "dataset-cover-image.png"})
"""What the hub adds to a repository, and what only Kaggle's command reads: a download has or lacks them."""

SITE_FOLDERS = (".cache/huggingface/", ".git/")
"""Where the commands that download keep notes of their own."""

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64}) [ *](?P<path>.+)")


def write_checksums(folder: Path, on_file: CountProgress) -> bytes:
    """Write SHA256SUMS over every file of a folder but SITE_FILES, sorted by path, and return its content."""
    paths = sorted(list_files(folder) - {CHECKSUMS, SIGNATURE} - SITE_FILES)
    lines = []
    for done, path in enumerate(paths):
        on_file(done, len(paths))
        lines.append(f"{file_digest(folder / path)}  {path}\n")
    on_file(len(paths), len(paths))
    content = "".join(lines).encode()
    (folder / CHECKSUMS).write_bytes(content)
    return content


def list_files(folder: Path) -> set[str]:
    """Return the paths of everything in a folder that is not a folder, relative and POSIX. Follows no link."""
    found = set()
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        found |= {(Path(root) / name).relative_to(folder).as_posix() for name in (*files, *links)}
    return found


def find_changes(folder: Path, content: bytes, on_file: CountProgress) -> Iterator[Finding]:
    """Yield what differs between a folder and the content of its SHA256SUMS: missing, changed and additional files.

    What a site is known to add is no finding.
    """
    expected: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None or not _is_inside(match["path"]) or match["path"] in expected:
            yield Finding(about=f"{CHECKSUMS}, line {number}", found="is not the checksum of a file of this folder")
            continue
        expected[match["path"]] = match["sha256"]
    existing = list_files(folder) - {CHECKSUMS, SIGNATURE}
    for done, (path, sha256) in enumerate(sorted(expected.items())):
        on_file(done, len(expected))
        if path not in existing:
            yield Finding(about=path, found="missing")
        elif (folder / path).is_symlink() or not (folder / path).is_file():
            yield Finding(about=path, found="is not a plain file")
        elif (found := _digest(folder / path)) != sha256:
            yield Finding(about=path, found=f"its checksum differs from that in {CHECKSUMS}" if found else "unreadable")
    on_file(len(expected), len(expected))
    for path in sorted(existing - set(expected) - SITE_FILES):
        if not path.startswith(SITE_FOLDERS):
            yield Finding(about=path, found=f"is not in {CHECKSUMS}")


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read."""
    try:
        return file_digest(path)
    except OSError:
        return ""


def _is_inside(text: str) -> bool:
    """Return whether a path of SHA256SUMS names a file of its folder."""
    path = PurePosixPath(text)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in text and str(path) == text
