"""Tars whose bytes depend on their content alone."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from rmod_pipeline.errors import ShardError
from rmod_pipeline.storage import Location, opened


class TarWriter:
    """A plain USTAR tar: members in the order given, fixed times, owners and modes."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def __enter__(self) -> TarWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append the files of one key, next to each other as WebDataset wants them."""
        for suffix, content in members.items():
            header = tarfile.TarInfo(f"{key}.{suffix}")
            header.size = len(content)
            header.mode = 0o644
            self._tar.addfile(header, io.BytesIO(content))


def read_tar(path: Location) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield each key and its files by suffix, in order. Raises ShardError for a tar that is cut or damaged."""
    key, members = "", dict[str, bytes]()
    try:
        with opened(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for header in tar:
                found, _, suffix = header.name.partition(".")
                if found != key and members:
                    yield key, members
                    members = {}
                key = found
                if suffix in members:
                    raise tarfile.ReadError(f"{header.name} stands in it twice")
                members[suffix] = _content(tar, header)
            # tarfile takes a file that ends between two members for whole.
            _check_end(file)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ShardError(path, f"not a whole tar: {error}", "remove its receipt and build again") from error
    if members:
        yield key, members


def read_members(path: Location, key: str, suffixes: Sequence[str] | None = None) -> dict[str, bytes]:
    """Return the files of one key by suffix, or those asked for; none if the tar lacks it. Raises ShardError.

    Only the headers of the members before it are read.
    """
    members: dict[str, bytes] = {}
    try:
        with opened(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for header in tar:
                found, _, suffix = header.name.partition(".")
                if found == key and (suffixes is None or suffix in suffixes):
                    members[suffix] = _content(tar, header)
                elif found != key and members:
                    break
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ShardError(path, f"not a whole tar: {error}", "remove its receipt and build again") from error
    return members


def _content(tar: tarfile.TarFile, header: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(header)
    if file is None:
        raise tarfile.ReadError(f"{header.name} is no plain file")
    content = file.read()
    if len(content) != header.size:
        raise tarfile.ReadError(f"{header.name} is cut: {len(content)} of {header.size} bytes")
    return content


def _check_end(file: BinaryIO) -> None:
    file.seek(-2 * tarfile.BLOCKSIZE, io.SEEK_END)
    if file.read().strip(b"\0"):
        raise tarfile.ReadError("the end mark is missing")
