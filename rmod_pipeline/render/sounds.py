"""The sounds that render asks for, ready to use: one-shots as layers, loops shifted in pitch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from rmod_pipeline.audio import Audio
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.render.pitch import PitchCache
from rmod_pipeline.render.tracks import at_speed, prepare_one_shot
from rmod_pipeline.spec import Layer, LoopTrack, Settings

DEFAULT_MEMORY = 512 * 2**20


class Sounds:
    """One-shots and loops of a library, prepared, with the last used ones kept within ``memory`` bytes.

    The file's checksum is part of what is asked for, so a spec never plays another sound under an old id.
    """

    def __init__(self, store: AudioStore, pitch: PitchCache, memory: int = DEFAULT_MEMORY) -> None:
        self.store, self.pitch, self.memory = store, pitch, memory
        self._sha256 = {asset.id: asset.sha256 for asset in store.library.assets}
        self._kept: OrderedDict[tuple[object, ...], Audio] = OrderedDict()
        self._bytes = 0

    def one_shot(self, layer: Layer, settings: Settings) -> Audio:
        """Return a layer's sound [1 or 2, frames], at its speed, peak at full scale, read-only."""

        def prepared() -> Audio:
            return prepare_one_shot(at_speed(self._read(layer.asset, layer.sha256), layer.semitones), settings)

        # No other layer will be played at a speed that was drawn from a range.
        return prepared() if layer.semitones else self._once(("one-shot", layer.sha256, settings), prepared)

    def loop(self, track: LoopTrack, settings: Settings) -> Audio:
        """Return a track's loop [1 or 2, frames], shifted in pitch, read-only."""
        key = ("loop", track.sha256, track.semitones, settings.loop_frames)
        return self._once(key, lambda: self._shifted(track, settings))

    def _shifted(self, track: LoopTrack, settings: Settings) -> Audio:
        def whole() -> Audio:
            return self._read(track.asset, track.sha256)[:, : settings.loop_frames]

        if track.semitones == 0:
            return whole().copy()
        source = f"{track.sha256} first {settings.loop_frames} frames"
        return self.pitch.shifted(whole, source, track.semitones, settings.sample_rate)

    def _read(self, asset: str, sha256: str) -> Audio:
        known = self._sha256.get(asset, sha256)
        if known != sha256:
            found = f"the spec wants {asset} with sha256 {sha256[:12]}..., the library has {known[:12]}..."
            raise LibraryError(self.store.library.manifest, found, "use the library that the pair was made with")
        return self.store.read(asset)

    def _once(self, key: tuple[object, ...], make: Callable[[], Audio]) -> Audio:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        audio = make()
        audio.flags.writeable = False
        self._kept[key] = audio
        self._bytes += audio.nbytes
        while self._bytes > self.memory:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return audio
