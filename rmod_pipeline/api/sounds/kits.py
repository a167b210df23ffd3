"""Kits: make a drum kit from sounds that are no drums, and play a MIDI file with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import check_workers, speaks_python
from rmod_pipeline.errors import UsageError, check_seed
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.licence_names import parse_licence
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.storage import parse_local_path, parse_location

if TYPE_CHECKING:
    from rmod_pipeline.curation.drum_kit.results import DrumKit


@dataclass(frozen=True, slots=True, kw_only=True)
class KitResult:
    """A kit that was made."""

    out: Path
    """The folder of the kit."""
    kit: DrumKit
    """The sounds with where they come from, pads that have none, weak ones, files that were not used."""
    files: Mapping[str, Path]
    """Each file of the kit by its name: kick.wav, drumkit.xml, kit.sfz, kit.csv, library.csv, kit.html, ..."""

    @property
    def library(self) -> Library:
        """The kit as a library, ready for ``build``."""
        return load_library(self.files["library.csv"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    """A MIDI file that was played with a kit."""

    out: Path
    """The WAV file."""
    seconds: float
    hits: Mapping[str, int]
    """Number of hits by pad."""
    unplayed: Mapping[int, int]
    """Number of hits by MIDI key, of keys that no pad of the kit plays."""


@speaks_python
def make_kit(
    folder: str | Path,
    *,
    out: str | Path,
    kinds: str | Sequence[str] = "",
    layers: int = 1,
    round_robin: bool = False,
    tune: bool = True,
    seed: int | None = None,
    name: str = "",
    author: str = "",
    licence: str = "",
    labels: str | Path | None = None,
    model: str | Path | None = None,
    workers: int = 0,
    fresh: bool = False,
    progress: bool = True,
) -> KitResult:
    """Make a drum kit from a folder of sounds of any kind and length, and write it to a folder.

    kinds: the pads, such as ``kick,snare,hihat``; by default those of a standard kit. layers: sounds per pad, which
    share the velocities, or with round_robin take turns. tune: change pitches where it helps. seed: draw another kit of
    good sounds; None is the best one. name: default is that of the folder. licence: SPDX, of files that nothing else
    gives one. labels: a CSV with licences and sources of files. model: another classifier than the one of rmod.
    workers: processes, 0 for one per core. fresh: listen again to files that are known from an earlier kit.

    Raises UsageError, LibraryError, AssetError, ManifestError and ModelError.
    """
    from rmod_pipeline.curation.classify_files import open_once
    from rmod_pipeline.curation.drum_kit.candidate_cache import CandidateCache, candidate_cache_file
    from rmod_pipeline.curation.drum_kit.listen import LeafClassifierChoice
    from rmod_pipeline.curation.drum_kit.make import KitConfig, SourceFolder, make_drum_kit
    from rmod_pipeline.curation.drum_kit.pads import parse_pads
    from rmod_pipeline.curation.drum_kit.write import check_kit_folder, write_kit
    from rmod_pipeline.library.scanning.labels import Labels
    from rmod_pipeline.pages.drum_kit import kit_html
    from rmod_pipeline.progress import scan_progress
    from rmod_pipeline.storage.process_identity import available_cores

    target = parse_local_path(out, "--out")
    config = KitConfig(
        pads=parse_pads(kinds if isinstance(kinds, str) else ",".join(kinds)),
        layers=layers,
        round_robin=round_robin,
        tuned=tune,
        seed=None if seed is None else check_seed(seed),
        name=_check_name(name or target.absolute().name),
        author=_check_name(author, "--author"),
        licence=parse_licence(licence),
    )
    config.check()
    check_workers(workers)
    listed = None if labels is None else Labels.read(parse_local_path(labels))
    check_kit_folder(target, layers)
    source = SourceFolder.open(parse_local_path(folder), target)
    choice = LeafClassifierChoice(None if model is None else parse_local_path(model))
    cache = CandidateCache(candidate_cache_file(), open_once(choice).source, fresh=fresh)
    with scan_progress(progress) as on_progress, closing(cache):
        kit = make_drum_kit(
            source,
            config,
            choice,
            cache=cache,
            labels=listed,
            workers=workers or available_cores(),
            progress=on_progress,
        )
    return KitResult(out=target, kit=kit, files=write_kit(kit, target, kit_html(kit)))


@speaks_python
def play_kit(
    kit: str | Path | KitResult, groove: str | Path, *, out: str | Path, drum_map: str | Path = "general_midi"
) -> LoopResult:
    """Play a MIDI file with a kit that ``make_kit`` wrote, and write what it sounds like as a WAV file.

    drum_map: which key plays which drum, ``general_midi``, ``roland_td``, or a YAML file. Raises UsageError,
    RecipeError, LibraryError and AssetError.
    """
    from rmod_pipeline.curation.drum_kit.play import check_loop_file, play_midi, write_loop
    from rmod_pipeline.curation.drum_kit.write import read_kit
    from rmod_pipeline.library.read import read_bytes
    from rmod_pipeline.patterns.drum_maps import load_drum_map
    from rmod_pipeline.storage.folders import require_file

    stored = read_kit(kit.out if isinstance(kit, KitResult) else parse_local_path(kit))
    path, target = parse_local_path(groove), parse_local_path(out, "--out")
    require_file(path, "give a MIDI file of drums")
    loaded = load_drum_map(parse_location(drum_map) if "/" in str(drum_map) else str(drum_map))
    check_loop_file(target)
    played = play_midi(stored, read_bytes(path), loaded, path)
    write_loop(played, target)
    return LoopResult(out=target, seconds=played.seconds, hits=played.hits, unplayed=played.unplayed)


def _check_name(name: str, about: str = "--name") -> str:
    """Return a name. Raises UsageError for one that no file format could hold."""
    if name and not name.isprintable():
        raise UsageError(about, f"{name!r} holds characters that cannot be printed", "give plain text")
    return name
