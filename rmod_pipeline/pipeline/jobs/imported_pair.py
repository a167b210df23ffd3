"""Turn the files of one pair into a pair as a data set stores it: 16 bit, stereo, at one rate and length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.audio import Audio, Pcm, fit_length, peak, to_channels
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.pairs.folder import PairFiles
from rmod_pipeline.library.pairs.names import MIX
from rmod_pipeline.library.pairs.onsets import frames_of_known_hits, read_known_hits
from rmod_pipeline.library.read import check_unchanged, decode_sound, find_onset, read_bytes, resample
from rmod_pipeline.pipeline.judge import judge
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render import Pair, PairLevels
from rmod_pipeline.render.measure import measure_mix, measure_target
from rmod_pipeline.spec import IMPORTED, DrumTrack, Layer, LoopTrack, Note, PairId, PairSpec, Settings

MIXTURE = "mixture"
"""The kind of the mixture's file among the sounds of an imported pair: its only loop, which plays once."""

LATE_SECONDS = 0.02
"""A one-shot that begins later than this is said to begin late: a model's answer begins at once."""

_STEP = np.float32(32_768.0)
_LARGEST = np.float32(32_767.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a pair of files is not imported."""

    reason: str
    """In words that can be counted."""
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPair:
    """A pair that was read from files."""

    pair: Pair
    notices: tuple[str, ...]
    """What was changed of the files, or is unusual, in words that can be counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReader:
    """Reads the pairs of a folder."""

    library: Library
    """The files of the folder, each an asset whose id is its path."""
    recipe: Recipe

    @property
    def settings(self) -> Settings:
        """The settings of all pairs: times are in frames, and nothing is faded or cut further."""
        frames, longest = self.recipe.frames, round(self.recipe.one_shots.max_seconds * self.recipe.sample_rate)
        return Settings(
            engine=IMPORTED,
            sample_rate=self.recipe.sample_rate,
            frames=frames,
            grid=frames,
            one_shot_frames=longest,
            one_shot_fade_frames=0,
            truncation_fade_frames=0,
            loop_frames=frames,
            loop_fade_frames=0,
        )

    def read(self, files: PairFiles, pair_id: PairId) -> ImportedPair | Refusal:
        """Return a pair, or why its files make none. Raises UnreadFileError for a file that changed since the start."""
        reading = _Reading(self.library, self.recipe, self.settings)
        try:
            sounds = {sound: reading.read(sound, path) for sound, path in files.sounds.items()}
            hits = reading.read_hits(files.onsets) if files.onsets else {}
        except _RefusedError as error:
            return error.refusal
        pair = self._make(files, pair_id, sounds, hits)
        reject = judge(pair.measured, self.recipe.reject)
        if reject is not None:
            return Refusal(reason=reject.reason, found="nothing above the limit of silence in the mean of its channels")
        return ImportedPair(pair=pair, notices=tuple(reading.notices))

    def _make(
        self,
        files: PairFiles,
        pair_id: PairId,
        sounds: Mapping[str, Pcm],
        hits: Mapping[str, tuple[tuple[int, int], ...]],
    ) -> Pair:
        rate = self.recipe.sample_rate
        targets = {kind: pcm for kind, pcm in sounds.items() if kind != MIX}
        measured = PairLevels(
            mix=measure_mix(sounds[MIX], rate),
            targets={kind: measure_target(pcm, rate) for kind, pcm in targets.items()},
        )
        drums = tuple(
            DrumTrack(
                kind=kind,
                target=True,
                layers=(Layer(asset=files.sounds[kind], sha256=self._checksum(files.sounds[kind]), weight=1.0),),
                notes=tuple(Note(tick=frame, velocity=velocity) for frame, velocity in hits.get(kind, ())),
                inserts=(),
            )
            for kind in targets
        )
        mixture = LoopTrack(
            kind=MIXTURE,
            asset=files.sounds[MIX],
            sha256=self._checksum(files.sounds[MIX]),
            semitones=0,
            period_frames=self.recipe.frames,
            inserts=(),
        )
        spec = PairSpec(
            recipe=self.recipe.name,
            output_version=OUTPUT_VERSION,
            address=pair_id,
            settings=self.settings,
            drums=drums,
            loops=(mixture,),
            master=(),
            original_key=files.name,
        )
        return Pair(spec=spec, mix=sounds[MIX], targets=targets, tracks={}, measured=measured)

    def _checksum(self, path: str) -> str:
        return self.library.by_id[path].sha256


class _RefusedError(Exception):
    """One of the files of a pair cannot be used."""

    def __init__(self, reason: str, found: str) -> None:
        super().__init__(reason, found)
        self.refusal = Refusal(reason=reason, found=found)


@dataclass(slots=True)
class _Reading:
    """The reading of one pair, with its notices."""

    library: Library
    recipe: Recipe
    settings: Settings
    notices: list[str] = field(default_factory=list)

    def read(self, sound: str, path: str) -> Pcm:
        """Return a sound [2, frames] at the rate of the data set. Raises _RefusedError, UnreadFileError."""
        rate = self.recipe.sample_rate
        data = self._read_bytes(path, f"unreadable {sound}")
        try:
            decoded = decode_sound(data, path)
        except AssetError as error:
            raise _RefusedError(f"unreadable {sound}", f"{path}: {error.found}") from error
        audio = resample(decoded.audio, decoded.sample_rate, rate)
        if decoded.sample_rate != rate:
            self.notices.append(f"{sound} resampled from {decoded.sample_rate} Hz")
        if peak(decoded.audio) > 1.0:
            self.notices.append(f"{sound} clipped at full scale")
        return _to_16_bit(to_channels(self._fit(sound, audio), 2))

    def read_hits(self, path: str) -> dict[str, tuple[tuple[int, int], ...]]:
        """Return frame and velocity of the known hits of each kind. Raises _RefusedError, UnreadFileError."""
        data = self._read_bytes(path, "unreadable onsets")
        try:
            hits = read_known_hits(self.library.root / path, data, self.recipe.targets)
        except AssetError as error:
            raise _RefusedError("unreadable onsets", f"{path}: {error.found}") from error
        placed = frames_of_known_hits(hits, self.settings.sample_rate, self.settings.frames)
        for kind, frames in placed.items():
            if not frames:
                raise _RefusedError(f"no {kind} within the mixture", f"{path}: its hits come after the end")
        return placed

    def _fit(self, sound: str, audio: Audio) -> Audio:
        """Return a mixture of the length of the data set, or a one-shot that is not too long."""
        rate, frames = self.recipe.sample_rate, audio.shape[1]
        if sound != MIX:
            longest = self.settings.one_shot_frames
            if frames > longest:
                self.notices.append(f"{sound} cut to {longest / rate:g} s")
            if find_onset(audio) > LATE_SECONDS * rate:
                self.notices.append(f"{sound} begins late")
            return audio[:, :longest]
        if frames != self.settings.frames:
            self.notices.append("mix cut" if frames > self.settings.frames else "mix padded with silence")
        return fit_length(audio, self.settings.frames)

    def _read_bytes(self, path: str, reason: str) -> bytes:
        """Return the bytes of a file that could be read at the start. Raises _RefusedError, UnreadFileError."""
        checksum = self.library.by_id[path].sha256
        try:
            data = read_bytes(self.library.root / path)
        except AssetError as error:
            if checksum:
                raise
            raise _RefusedError(reason, f"{path}: {error.found}") from error
        check_unchanged(data, self.library.root / path, checksum or sha256(b"").hexdigest())
        return data


def _to_16_bit(audio: Audio) -> Pcm:
    """Return 16-bit samples. Those of a 16-bit file stay as they are: its decoder gives a step as 1 / 32768."""
    pcm: Pcm = np.rint(np.clip(audio * _STEP, -_LARGEST, _LARGEST)).astype(np.int16)
    return pcm
