"""Make a kit of a folder of sounds: candidates of every file, tuned, chosen, rendered.

    candidates = find_candidates(...)      # the best places per pad over all files
    options = tune_candidates(...)         # those places as drums, rated again
    chosen = choose_sounds(...)            # one place per pad, then further layers
    kit = render_kit(...)                  # read once more, as sounds

Files are read by worker processes, one after the other. Nothing depends on their number or on the order of the files.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from rmod_pipeline.audio import Audio
from rmod_pipeline.curation.classify_files import CRASHED, OpensClassifier, open_once
from rmod_pipeline.curation.drum_kit.candidate_cache import CandidateCache
from rmod_pipeline.curation.drum_kit.candidates import CandidatePool, FileCandidates, analyse_sound_file
from rmod_pipeline.curation.drum_kit.choose import choose_layers, choose_sounds
from rmod_pipeline.curation.drum_kit.listen import listen_with
from rmod_pipeline.curation.drum_kit.pads import PADS, Pad
from rmod_pipeline.curation.drum_kit.results import (
    DrumKit,
    PadCandidate,
    PadSound,
    SoundPlace,
    SourceCounts,
    TunedCandidate,
)
from rmod_pipeline.curation.drum_kit.tune import apply_tuning, lead_frames, tune_candidate
from rmod_pipeline.curation.drum_kit.write import name_sound
from rmod_pipeline.curation.harvest.song import read_ranges, survey_song
from rmod_pipeline.errors import AssetError, LibraryError, RmodError, UsageError
from rmod_pipeline.extraction.listening.song import song_from_file
from rmod_pipeline.library.kinds.describe import PathDescription, describe_paths
from rmod_pipeline.library.process_pool import BatchFunction, ScanProgress, map_batches
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.walk import find_audio_files
from rmod_pipeline.storage.publish import file_digest

MOST_LAYERS = 8
CANDIDATES, CANDIDATES_PER_LAYER = 24, 12
"""Places per pad that are tuned."""
PER_FILE, PER_FILE_AND_LAYER = 4, 4
"""The most of them in one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KitConfig:
    """The options of a kit."""

    pads: tuple[Pad, ...]
    layers: int = 1
    """Most sounds per pad."""
    round_robin: bool = False
    tuned: bool = True
    """Whether pitches are changed."""
    seed: int | None = None
    """Draws another kit of good candidates; None is the best one."""
    name: str = ""
    author: str = ""
    licence: str = ""
    """Of files that nothing else gives one."""

    def check(self) -> None:
        """Raise UsageError for a number of layers that is out of range."""
        if not 1 <= self.layers <= MOST_LAYERS:
            raise UsageError("--layers", f"{self.layers} is out of range", f"give 1 to {MOST_LAYERS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFolder:
    """The folder of sounds."""

    root: Path
    """Its real path."""
    files: tuple[str, ...]
    """Audio files: POSIX paths relative to it, sorted."""
    unused: tuple[tuple[str, str], ...]
    """Files that are not read, with the reason."""

    @classmethod
    def open(cls, folder: Path, out: Path) -> SourceFolder:
        """List the audio files of a folder, without those in ``out``. Raises UsageError, LibraryError for none."""
        root, own = Path(os.path.realpath(folder)), Path(os.path.realpath(out))
        if own == root:
            raise UsageError(out, "is the folder of the sounds, which is never written to", "choose another --out")
        contents = find_audio_files(folder, folder)
        real = {path: root / path.relative_to(folder) for path in contents.files}
        # The sounds of an earlier kit would otherwise be found in the next one.
        is_inside = own.is_relative_to(root)
        files = [path.relative_to(root).as_posix() for path in real.values() if not (is_inside and own in path.parents)]
        if not files:
            raise LibraryError(folder, "no audio files", "name a folder that holds WAV, FLAC, AIFF, OGG or MP3 files")
        dropped = sorted((_printable(path.relative_to(folder)), reason) for path, reason in contents.dropped)
        return cls(root=root, files=tuple(files), unused=tuple(dropped))


def _printable(path: Path) -> str:
    """Return a path as POSIX text that every file can hold, also of a name that is not UTF-8."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def make_drum_kit(
    source: SourceFolder,
    config: KitConfig,
    choice: OpensClassifier,
    *,
    cache: CandidateCache | None = None,
    labels: Labels | None = None,
    workers: int = 1,
    progress: ScanProgress | None = None,
) -> DrumKit:
    """Return a kit of the sounds of a folder, in memory.

    Raises LibraryError if no file holds a sound, AssetError if a file was changed meanwhile, ManifestError for labels
    that fit no file.
    """
    config.check()
    pool, counts = find_candidates(source, config, choice, cache=cache, workers=workers, progress=progress)
    options = tune_candidates(source, config, pool, choice, workers=workers, progress=progress)
    chosen = choose_sounds(options, config.pads, config.seed)
    if not chosen:
        hint = "give a folder with sounds that begin clearly, such as steps, doors, glass, tools"
        reasons = "; ".join(f"{name}: {reason}" for name, reason in counts.unused[:3])
        raise LibraryError(source.root, f"no sound for any pad{': ' if reasons else ''}{reasons}", hint)
    layers = choose_layers(options, chosen, config.layers)
    descriptions = describe_sources(
        source, [each.place.source for of_pad in layers.values() for each in of_pad], labels
    )
    return DrumKit(
        name=config.name,
        author=config.author,
        pads=config.pads,
        sounds=tuple(render_sounds(source, config, layers, descriptions)),
        round_robin=config.round_robin,
        counts=counts,
        options={
            "kinds": [pad.name for pad in config.pads],
            "layers": config.layers,
            "round_robin": config.round_robin,
            "tune": config.tuned,
            "seed": config.seed,
            "classifier": dict(open_once(choice).source),
        },
    )


def find_candidates(
    source: SourceFolder,
    config: KitConfig,
    choice: OpensClassifier,
    *,
    cache: CandidateCache | None = None,
    workers: int = 1,
    progress: ScanProgress | None = None,
) -> tuple[CandidatePool, SourceCounts]:
    """Return the best places per pad over all files, and what became of the files."""
    layers = config.layers - 1
    pool = CandidatePool(CANDIDATES + CANDIDATES_PER_LAYER * layers, PER_FILE + PER_FILE_AND_LAYER * layers)
    used = sounds = 0
    unused = list(source.unused)
    results = _analyse_files(source, choice, cache or CandidateCache(None, {}), workers)
    for number, result in enumerate(results, 1):
        pool.add(result.candidates)
        sounds += result.sounds
        used += not result.reason
        if result.reason:
            unused.append((result.source, result.reason))
        if progress:
            progress("listening", number, len(source.files))
    return pool, SourceCounts(files=len(source.files), used=used, sounds=sounds, unused=tuple(sorted(unused)))


def tune_candidates(
    source: SourceFolder,
    config: KitConfig,
    pool: CandidatePool,
    choice: OpensClassifier,
    *,
    workers: int = 1,
    progress: ScanProgress | None = None,
) -> dict[str, list[TunedCandidate]]:
    """Return the candidates of each pad as it would play them, by the name of the pad, the best first."""
    wanted: dict[str, list[tuple[str, PadCandidate]]] = defaultdict(list)
    for pad in config.pads:
        for candidate in pool.best_of(pad.name):
            wanted[candidate.place.source].append((pad.name, candidate))
    tasks = [_TuneTask(root=source.root, source=name, wanted=tuple(wanted[name])) for name in sorted(wanted)]
    options: dict[str, list[TunedCandidate]] = defaultdict(list)
    tune: BatchFunction[_TuneTask, list[TunedCandidate]] = partial(tune_batch, choice, config.tuned)
    results = map_batches(tune, tasks, workers, len(tasks))
    for number, (_, tuned) in enumerate(results, 1):
        for each in tuned or ():
            options[each.pad.name].append(each)
        if progress:
            progress("tuning", number, len(tasks))
    for of_pad in options.values():
        of_pad.sort(key=lambda each: (-each.rating.score, each.place.order))
    return dict(options)


@dataclass(frozen=True, slots=True)
class _TuneTask:
    """The places of one file that are tuned, each with the name of its pad."""

    root: Path
    source: str
    wanted: tuple[tuple[str, PadCandidate], ...]


def analyse_batch(choice: OpensClassifier, root: Path, sources: list[str]) -> list[FileCandidates]:
    """Return the candidates of some files: the unit of work of a worker process."""
    listen = listen_with(open_once(choice))
    return [analyse_sound_file(root / source, source, listen) for source in sources]


def tune_batch(choice: OpensClassifier, tuned: bool, tasks: list[_TuneTask]) -> list[list[TunedCandidate]]:
    """Return the tuned places of some files: the unit of work of a worker process. An unreadable file has none."""
    listen = listen_with(open_once(choice))
    results = []
    for task in tasks:
        places = {candidate.place for _, candidate in task.wanted}
        found: list[TunedCandidate] = []
        try:
            for place, part in read_places(task.root, places):
                found += [
                    tune_candidate(candidate, PADS[pad], part, listen, tuned=tuned)
                    for pad, candidate in task.wanted
                    if candidate.place == place
                ]
        except RmodError:  # it could be read a moment ago, and its other places are as good as lost
            found = []
        results.append(found)
    return results


def read_places(root: Path, places: Iterable[SoundPlace]) -> Iterator[tuple[SoundPlace, Audio]]:
    """Yield places of one file with their sound [1 or 2, frames] at its rate, from ``lead_frames`` before the attack.

    Raises AssetError, UsageError.
    """
    ordered = sorted(places, key=lambda place: (place.start, place.frames))
    if not ordered:
        return
    song = song_from_file(root / ordered[0].source)
    lead = lead_frames(song.sample_rate)
    ranges = [(max(place.start - lead, 0), place.end) for place in ordered]
    for place, part in zip(ordered, read_ranges(song, survey_song(song), ranges), strict=True):
        yield place, np.pad(part, ((0, 0), (max(lead - place.start, 0), 0)))


def render_sounds(
    source: SourceFolder,
    config: KitConfig,
    layers: Mapping[str, Sequence[TunedCandidate]],
    descriptions: Mapping[str, PathDescription],
) -> Iterator[PadSound]:
    """Yield the sounds of a kit in the order of pads, the best of a pad first.

    Raises AssetError for a file that was changed since its sounds were found.
    """
    parts: dict[SoundPlace, Audio] = {}
    chosen = [each for of_pad in layers.values() for each in of_pad]
    for name in sorted({each.place.source for each in chosen}):
        places = {each.found for each in chosen if each.place.source == name}
        if file_digest(source.root / name) != next(iter(places)).sha256:
            raise AssetError(source.root / name, "was changed while the kit was made", "give the command again")
        parts.update(read_places(source.root, places))
    for pad in config.pads:
        of_pad = layers.get(pad.name, ())
        velocities = [(1, 127)] * len(of_pad) if config.round_robin else _share_velocities(of_pad)
        for rank, (each, (low, high)) in enumerate(zip(of_pad, velocities, strict=True), 1):
            sound = apply_tuning(parts[each.found], each.found.sample_rate, pad, each.tuning)
            described = descriptions[each.place.source]
            yield PadSound(
                pad=pad,
                file=name_sound(pad.name, rank),
                low_velocity=low,
                high_velocity=high,
                audio=sound.audio,
                gain_db=sound.gain_db,
                candidate=each,
                licence=described.licence or config.licence,
                credit=described.source,
            )


def describe_sources(source: SourceFolder, names: Iterable[str], labels: Labels | None) -> dict[str, PathDescription]:
    """Return licence and origin of files: of the labels where they list them, else as far as their paths tell.

    Raises ManifestError if the labels list no file of the folder.
    """
    guessed = describe_paths(PurePosixPath(name) for name in names)
    if labels is None:
        return {str(path): guess for path, guess in guessed.items()}
    described = {str(path): labels.override(source.root / path, guess) for path, guess in guessed.items()}
    for name in source.files:
        labels.override(source.root / name, PathDescription())
    labels.check_used(source.root)
    return described


def _share_velocities(of_pad: Sequence[TunedCandidate]) -> list[tuple[int, int]]:
    """Return the lowest and highest velocity of each sound: equal shares of 1..127, brighter sounds for harder hits."""
    order = sorted(range(len(of_pad)), key=lambda index: (of_pad[index].centre_hz, of_pad[index].place.order))
    shares = [(0, 0)] * len(of_pad)
    for position, index in enumerate(order):
        count = len(of_pad)
        shares[index] = (position * 127 // count + 1, (position + 1) * 127 // count)
    return shares


def _analyse_files(
    source: SourceFolder, choice: OpensClassifier, cache: CandidateCache, workers: int
) -> Iterator[FileCandidates]:
    """Yield the candidates of every file: first those that the cache has, then the others in any order."""
    new = []
    for name in source.files:
        known = cache.load(source.root / name, name)
        if known is None:
            new.append(name)
        else:
            yield known
    analyse = partial(analyse_batch, choice, source.root)
    for name, result in map_batches(analyse, new, workers, len(new)):
        if result is None:
            yield FileCandidates(source=name, reason=CRASHED)
            continue
        cache.store(source.root / name, result)
        yield result
