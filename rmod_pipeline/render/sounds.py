"""Provide the sounds that render needs: one-shots prepared as layers, loops shifted in pitch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from rmod_pipeline.audio import Audio
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.render.prepared import PreparedCache, shift_pitch
from rmod_pipeline.render.tracks import change_speed, prepare_one_shot
from rmod_pipeline.spec import Layer, LoopTrack, Settings

DEFAULT_MEMORY = 512 * 2**20
"""Bytes."""
MOST_LOOPS = 128
"""Each of them may hold a file descriptor, of which some systems allow 256."""


class Sounds:
    """The prepared one-shots and loops of a library, with a cache of the last used ones.

    Of one-shots it keeps copies, at most ``memory`` bytes, and of loops ``MOST_LOOPS`` that are mapped from the disk.

    A spec requests every sound with its checksum, so it never plays a changed file under an old id. A file that is gone
    or was changed is an error, also where its prepared sound is known.
    """

    def __init__(self, store: AudioStore, prepared: PreparedCache, memory: int = DEFAULT_MEMORY) -> None:
        """Start with an empty cache over the files of ``store`` and what ``prepared`` keeps of them."""
        self.store, self.prepared, self.memory = store, prepared, memory
        self._verified: set[str] = set()
        self._sha256 = {asset.id: asset.sha256 for asset in store.library.assets}
        self._cache: OrderedDict[tuple[object, ...], Audio] = OrderedDict()
        self._loops: OrderedDict[tuple[object, ...], Audio] = OrderedDict()
        self._bytes = 0

    def one_shot(self, layer: Layer, settings: Settings) -> Audio:
        """Return the sound of a layer [1 or 2, frames] at its speed, with its peak at full scale.

        Raises LibraryError for another checksum, AssetError for an unreadable file. Do not write into the array.
        """

        def prepare() -> Audio:
            return prepare_one_shot(self._one_shot(layer), settings)

        if not layer.semitones:
            return self._get_or_make(("one-shot", layer.sha256, settings), prepare)
        # A speed drawn from a range is almost never drawn again, so the sound is kept as it is.
        sound = self._get_or_make(("sound", layer.sha256), lambda: self._one_shot(layer).copy())
        return prepare_one_shot(change_speed(sound, layer.semitones), settings)

    def loop(self, track: LoopTrack, settings: Settings) -> Audio:
        """Return the loop of a track [1 or 2, frames], shifted in pitch. The array is read-only.

        Raises LibraryError for another checksum, AssetError for an unreadable file.
        """
        key = ("loop", track.sha256, track.semitones, settings.loop_frames)
        if key not in self._loops:
            self._loops[key] = self._shift(track, settings)
            if len(self._loops) > MOST_LOOPS:
                self._loops.popitem(last=False)
        self._loops.move_to_end(key)
        return self._loops[key]

    def _one_shot(self, layer: Layer) -> Audio:
        self._check_sum(layer.asset, layer.sha256)
        source = f"sound {layer.sha256} at {self.store.sample_rate} Hz"
        return self.prepared.get(source, lambda: self._read(layer.asset), lambda: self._verify(layer.asset))

    def _shift(self, track: LoopTrack, settings: Settings) -> Audio:
        def make() -> Audio:
            loop = self._read(track.asset)[:, : settings.loop_frames]
            return shift_pitch(loop, track.semitones, settings.sample_rate)

        self._check_sum(track.asset, track.sha256)
        part = f"first {settings.loop_frames} frames at {settings.sample_rate} Hz"
        source = f"loop {track.sha256}, {part}, {track.semitones} semitones"
        return self.prepared.get(source, make, lambda: self._verify(track.asset))

    def _read(self, asset: str) -> Audio:
        """Return a sound. The store compares the checksum of its file."""
        audio = self.store.read(asset)
        self._verified.add(asset)
        return audio

    def _verify(self, asset: str) -> None:
        """Compare the checksum of a file whose sound was prepared by an earlier process, once."""
        if asset not in self._verified:
            self.store.verify(asset)
            self._verified.add(asset)

    def _check_sum(self, asset: str, sha256: str) -> None:
        """Check that the library has a sound with this checksum."""
        library_sha256 = self._sha256.get(asset, sha256)
        if library_sha256 != sha256:
            found = f"the spec needs {asset} with sha256 {sha256[:12]}..., the library has {library_sha256[:12]}..."
            raise LibraryError(self.store.library.manifest, found, "use the library that the pair was built from")

    def _get_or_make(self, key: tuple[object, ...], make: Callable[[], Audio]) -> Audio:
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        audio = make()
        audio.flags.writeable = False
        self._cache[key] = audio
        self._bytes += audio.nbytes
        while self._bytes > self.memory:
            self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return audio
