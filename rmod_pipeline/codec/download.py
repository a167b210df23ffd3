"""Download the weights of a codec: resume an interrupted download, and verify the checksum."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rmod_pipeline.codec.catalogue import KnownCodec
from rmod_pipeline.errors import CodecError
from rmod_pipeline.storage.writing import OTHER_CACHE, remove_quietly, report_unwritable

BLOCK = 1 << 20
TIMEOUT_SECONDS = 60
"""Longest wait for data from the server."""

OnBytes = Callable[[int, int | None], None]
"""Called after every block with the number of bytes so far and the total, if it is known."""


def download_weights(known: KnownCodec, on_block: OnBytes = lambda _done, _total: None) -> Path:
    """Return the path of the weights of a codec; download them first if they are missing or damaged.

    The partial file of a failed download is kept, and the next call resumes it. Raises CodecError.
    """
    if known.url is None:
        return known.path
    if known.path.is_file() and _digest(known.path) == known.sha256:
        return known.path
    partial = known.path.with_name(known.path.name + ".part")
    try:
        with report_unwritable(partial.parent, OTHER_CACHE, CodecError):
            partial.parent.mkdir(parents=True, exist_ok=True)
        _download(known.url, partial, on_block)
    except (OSError, http.client.HTTPException) as error:
        raise _make_download_error(known, error) from error
    _verify(known, partial)
    with report_unwritable(known.path, OTHER_CACHE, CodecError):
        partial.replace(known.path)
    return known.path


def _download(url: str, partial: Path, on_block: OnBytes) -> None:
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            return  # the file was complete; the checksum is verified later
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        done = done if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with partial.open("ab" if resumed else "wb") as file:
            while block := response.read(BLOCK):
                with report_unwritable(partial, OTHER_CACHE, CodecError):
                    file.write(block)
                done += len(block)
                on_block(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _verify(known: KnownCodec, partial: Path) -> None:
    sha256 = _digest(partial)
    if known.sha256 and sha256 != known.sha256:
        size = partial.stat().st_size
        remove_quietly(partial)
        expected = f"{known.sha256} ({known.bytes} bytes)"
        hint = "the downloaded file is removed; try again, and if this repeats, do not use the file at this address"
        raise CodecError(known.url, f"sha256 is {sha256} ({size} bytes), expected {expected}", hint)


def _make_download_error(known: KnownCodec, error: Exception) -> CodecError:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    hint = (
        f"run the same command again with network access, it resumes the download; "
        f"or download {known.url} on another machine and put it at {known.path}"
    )
    return CodecError(known.name, f"cannot be downloaded: {reason}", hint)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
