"""Weights over the network: resumed where a download broke off, checked before they are used."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rmod_pipeline.codec.catalogue import KnownCodec
from rmod_pipeline.errors import CodecError

BLOCK = 1 << 20
SILENCE_SECONDS = 60
"""A server that says nothing for so long is given up."""

OnBytes = Callable[[int, int | None], None]
"""Told after every block how many bytes are there, and of how many."""


def download_weights(known: KnownCodec, on_block: OnBytes = lambda _done, _total: None) -> Path:
    """Return the path of a codec's weights, downloaded and checked; at once if they are there and whole.

    What was downloaded before a failure stays beside it and is gone on with. Raises CodecError.
    """
    if known.url is None:
        return known.path
    if known.path.is_file() and _digest(known.path) == known.sha256:
        return known.path
    partial = known.path.with_name(known.path.name + ".part")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        _download(known.url, partial, on_block)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(known, error) from error
    _check(known, partial)
    partial.replace(known.path)
    return known.path


def _download(url: str, partial: Path, on_block: OnBytes) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=SILENCE_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # it was all there; the checksum says whether it is right
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with partial.open("ab" if resumed else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                have += len(block)
                on_block(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")


def _check(known: KnownCodec, partial: Path) -> None:
    found = _digest(partial)
    if known.sha256 and found != known.sha256:
        size = partial.stat().st_size
        partial.unlink()
        expected = f"{known.sha256} ({known.bytes} bytes)"
        hint = "what came is removed; try again, and if it stays so, do not use what this address gives"
        raise CodecError(known.url, f"sha256 is {found} ({size} bytes), expected {expected}", hint)


def _unreachable(known: KnownCodec, error: Exception) -> CodecError:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    hint = (
        f"go online and give the same command again, it goes on where it was; "
        f"or fetch {known.url} elsewhere and put it at {known.path}"
    )
    return CodecError(known.name, f"cannot be fetched: {reason}", hint)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
