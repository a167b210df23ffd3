"""Write tars whose bytes depend only on their content, and read them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from rmod_pipeline.errors import ShardError
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import Location, open_for_reading


class TarWriter:
    """Write a plain USTAR tar: members in the given order, with fixed times, owners and modes."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def __enter__(self) -> TarWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append the files of one key next to each other, as WebDataset requires. ``members``: content by suffix."""
        for suffix, content in members.items():
            header = tarfile.TarInfo(f"{key}.{suffix}")
            header.size = len(content)
            header.mode = 0o644
            self._tar.addfile(header, io.BytesIO(content))


def read_tar(
    path: Location, wanted: Callable[[str, str], bool] = lambda _key, _suffix: True
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield each key with its files by suffix, in order. Raises ShardError for a cut or damaged tar.

    ``wanted`` says, by key and suffix, which files are read; a key without one is left out.
    """
    key, members = "", dict[str, bytes]()
    try:
        with open_for_reading(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for header in tar:
                member_key, _, suffix = header.name.partition(".")
                if member_key != key and members:
                    yield key, members
                    members = {}
                key = member_key
                if suffix in members:
                    raise tarfile.ReadError(f"{header.name} occurs twice")
                if not wanted(member_key, suffix):
                    continue
                members[suffix] = _read_content(tar, header)
            # tarfile reports no error for a file that is cut between two members.
            _check_end(file)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ShardError(path, f"not a whole tar: {error}", _repair_hint(path)) from error
    if members:
        yield key, members


def read_members(path: Location, key: str, suffixes: Sequence[str] | None = None) -> dict[str, bytes]:
    """Return the files of one key by suffix, all or those with the given suffixes; empty if the tar lacks the key.

    Reads only the headers of the members before it. Raises ShardError for a cut or damaged tar.
    """
    members: dict[str, bytes] = {}
    try:
        with open_for_reading(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for header in tar:
                member_key, _, suffix = header.name.partition(".")
                if member_key == key and (suffixes is None or suffix in suffixes):
                    members[suffix] = _read_content(tar, header)
                elif member_key != key and members:
                    break
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ShardError(path, f"not a whole tar: {error}", _repair_hint(path)) from error
    return members


def _read_content(tar: tarfile.TarFile, header: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(header)
    if file is None:
        raise tarfile.ReadError(f"{header.name} is not a plain file")
    content = file.read()
    if len(content) != header.size:
        raise tarfile.ReadError(f"{header.name} is cut: {len(content)} of {header.size} bytes")
    return content


def _check_end(file: BinaryIO) -> None:
    file.seek(-2 * tarfile.BLOCKSIZE, io.SEEK_END)
    if file.read().strip(b"\0"):
        raise tarfile.ReadError("the end mark is missing")


def _repair_hint(tar: Location) -> str:
    """Return how to have the tar of a shard made again: OUT/audio/X.tar has the receipt OUT/receipts/audio/X.json."""
    again = "and give the command that made it again"
    for out in (tar.parent.parent, tar.parent.parent.parent):
        layout = Layout(out)
        receipt = layout.receipt(tar.stem, layout.relative(tar.parent))
        if receipt.is_file():
            return f"remove {receipt} {again}"
    return f"remove its receipt {again}"
