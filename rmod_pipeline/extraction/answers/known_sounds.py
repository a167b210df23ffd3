"""Describe known sounds once: per command in memory, and across commands in a cache folder.

To read and describe thousands of sounds can take longer than to hear a song. The cache is content-addressed: the name
of a file is the hash of everything that its descriptions depend on. So a file is never stale, and a second writer
writes the same descriptions. Each file is renamed into its final name and holds plain arrays; an unreadable file is
computed again.
"""

from __future__ import annotations

import io
import json
import logging
import os
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch

from rmod_pipeline.ear.model import Description
from rmod_pipeline.ear.spectrum import EDGES, LOWEST_DB, STEPS, UNIT_DB
from rmod_pipeline.extraction.answers.pick import FADE_SECONDS, LONGEST_SECONDS, SoundBank
from rmod_pipeline.extraction.listening.ear import OpenedEar
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.local_copies import remove_oldest
from rmod_pipeline.storage.process_identity import computation_identity
from rmod_pipeline.storage.writing import temporary_file

logger = logging.getLogger(__name__)

LIMIT_BYTES = 2**30
"""Disk space in the cache for descriptions: those of 85,000 sounds at least."""

_BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error)


def descriptions_folder() -> Path:
    """Return the folder of descriptions: in the user's cache, or under RMOD_CACHE."""
    return cache_folder() / "descriptions"


class KnownSounds:
    """The sounds of a library that an ear picks from."""

    def __init__(self, ear: OpenedEar, store: AudioStore, folder: Path | None = None) -> None:
        """Open the sounds of a store at the ear's sample rate; ``folder`` is the cache, None keeps nothing on disk."""
        self._ear, self._store = ear, store
        # An ear without a checksum is not known by its content.
        self._folder = folder if ear.source.get("sha256") else None
        self._banks: dict[str, SoundBank] = {}

    @property
    def library(self) -> Library:
        """The library of the sounds."""
        return self._store.library

    def count_undescribed(self, instrument: str) -> int:
        """Return how many sounds of an instrument ``bank`` has to read and describe: all, or none of them."""
        return 0 if self._recall(instrument) is not None else len(self._assets(instrument))

    def bank(self, instrument: str, on_sound: Callable[[int], None] = lambda _count: None) -> SoundBank:
        """Return the sounds of an instrument with their descriptions: as before, from the cache, or computed.

        ``on_sound`` is called with 1 after each sound that is described. If the cache cannot be written, a warning is
        logged. Raises LibraryError and AssetError as ``SoundBank.of``.
        """
        bank = self._recall(instrument)
        if bank is None:
            bank = self._banks[instrument] = SoundBank.of(self._ear, self._store, instrument, on_sound)
            if self._folder is not None:
                self._keep(bank, self._path(self._folder, instrument))
        return bank

    def _assets(self, instrument: str) -> tuple[Asset, ...]:
        return tuple(asset for asset in self.library.assets if asset.kind == instrument)

    def _recall(self, instrument: str) -> SoundBank | None:
        """Return the sounds of an instrument if they were described before."""
        if instrument not in self._banks and self._folder is not None:
            assets = self._assets(instrument)
            kept = _load(self._path(self._folder, instrument), len(assets), self._ear)
            if kept is not None:
                audible, described = kept
                audible_assets = tuple(assets[index] for index in audible)
                self._banks[instrument] = SoundBank(self._ear, self._store, instrument, audible_assets, described)
        return self._banks.get(instrument)

    def _path(self, folder: Path, instrument: str) -> Path:
        """Return the file for the sounds of an instrument, by the ear, the content of the sounds, and their order."""
        sounds = [asset.sha256 for asset in self._assets(instrument)]
        points = [EDGES, LOWEST_DB, UNIT_DB]
        read = [LONGEST_SECONDS, FADE_SECONDS]
        parts = [self._ear.source["sha256"], instrument, *read, points, sounds, computation_identity()]
        return folder / f"{sha256(json.dumps(parts).encode()).hexdigest()}.npz"

    def _keep(self, bank: SoundBank, path: Path) -> None:
        """Write descriptions completely or not at all; a failure is logged."""
        index_of = {asset.id: index for index, asset in enumerate(self._assets(bank.instrument))}
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            audible=np.array([index_of[asset.id] for asset in bank.assets], np.int64),
            levels=bank.described.levels.numpy(),
            embedding=bank.described.embedding.numpy(),
            spectrum=bank.described.spectrum.numpy(),
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_file(path.with_name(f".{uuid4().hex}.tmp")) as temporary:
                temporary.write_bytes(stream.getvalue())
                temporary.replace(path)
            remove_oldest(path, path.parent.iterdir(), LIMIT_BYTES)
        except OSError as error:
            logger.warning("the cache of known sounds %s cannot be written: %s", path.parent, error)


def _load(path: Path, sounds: int, ear: OpenedEar) -> tuple[list[int], Description] | None:
    """Return which of the sounds can be heard, and their descriptions; None if there is no file, or a damaged one."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    try:
        # A file cannot run code, because object arrays are refused. The archive has checksums.
        with np.load(io.BytesIO(data), allow_pickle=False) as content:
            audible, *described = (content[name] for name in ("audible", "levels", "embedding", "spectrum"))
        _check_arrays(audible, described, sounds, ear)
    except (OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, *_BROKEN_ARCHIVE) as error:
        logger.warning("cache of known sounds: %s is damaged and is computed again: %r", path, error)
        with suppress(OSError):
            path.unlink()  # so that the next one who asks does not say it again
        return None
    with suppress(OSError):
        os.utime(path)  # its age decides when it is removed
    return audible.tolist(), Description(*map(torch.from_numpy, described))


def _check_arrays(audible: Any, described: Sequence[Any], sounds: int, ear: OpenedEar) -> None:
    """Raise ValueError unless these are the descriptions of at most ``sounds`` sounds by this ear."""
    count, size = len(audible), ear.model.size
    levels, point = (size.bands, size.description_frames), (size.bands, STEPS if size.spectrum else 0)
    shapes = [(count,), (count, *levels), (count, size.embedding), (count, *point)]
    if [array.shape for array in (audible, *described)] != shapes:
        raise ValueError(f"not descriptions of shapes {shapes}")
    if [array.dtype for array in (audible, *described)] != [np.int64, np.float32, np.float32, np.float32]:
        raise ValueError("not descriptions of the usual types")
    if not count or not np.array_equal(audible, np.unique(audible)) or audible[0] < 0 or audible[-1] >= sounds:
        raise ValueError(f"not a choice of {sounds} sounds")
