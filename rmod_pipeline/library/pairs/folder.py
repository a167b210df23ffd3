"""List the sounds in a folder of pairs or of answers, pair by pair, with what is left out and why."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.pairs.names import MIX, parse_sound_name
from rmod_pipeline.library.scanning.formats import NOT_AUDIO, find_reason_to_skip
from rmod_pipeline.library.scanning.walk import find_files

NO_NAME = "no sound or no pair in its name"
TWICE = "a sound that is there twice"
NO_MIX = "no mixture"
NO_TARGET = "no one-shot"

_ONSET_SUFFIXES = (".mid", ".midi", ".csv")
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file or a pair that is not used."""

    name: str
    """The path of the file, or the key of the pair."""
    reason: str
    """In words that can be counted."""
    detail: str = ""
    """What was found: files, numbers; empty if the reason says it all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFiles:
    """The files of one pair."""

    split: str
    """The split that a folder names; empty if none does."""
    key: str
    """The name of the pair in its folder."""
    sounds: Mapping[str, str]
    """Path by sound, the mixture first, relative to the folder, POSIX."""
    onsets: str = ""
    """Path of the MIDI or CSV file with the known hits; empty if there is none."""

    @property
    def name(self) -> str:
        """The key with its split, which no other pair of the folder has."""
        return f"{self.split}/{self.key}" if self.split else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFolder:
    """A folder of pairs or of answers, listed; no file is opened."""

    root: Path
    pairs: tuple[PairFiles, ...]
    """In the order of their names, in which 2 comes before 10."""
    left_out: tuple[LeftOut, ...]
    """Files that hold no sound of a pair, and pairs with a sound twice."""


def list_pair_folder(root: Path, kinds: Collection[str] = ()) -> PairFolder:
    """List the sounds of a folder and its subfolders by pair. Links that leave it are not followed.

    ``kinds``: names of kinds beside those that rmod knows. Raises UsageError for a folder that cannot be read.
    """
    contents = find_files(root, root, _find_reason_to_skip)
    left_out = [LeftOut(name=_relative(path, root), reason=reason) for path, reason in contents.dropped]
    sounds: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in contents.files:
        if _may_hold_onsets(path):
            continue
        name = parse_sound_name(PurePosixPath(_relative(path, root)), kinds)
        if name.sound and name.key:
            sounds[name.split, name.key][name.sound].append(_relative(path, root))
        else:
            left_out.append(LeftOut(name=_relative(path, root), reason=NO_NAME))
    onsets = _find_onsets(filter(_may_hold_onsets, contents.files), root)
    pairs: list[PairFiles] = []
    for split, key in sorted(sounds, key=_natural_order):
        paths = {**sounds[split, key], **({"onsets": onsets[split, key]} if (split, key) in onsets else {})}
        twice = [each for several in paths.values() if len(several) > 1 for each in several]
        if twice:
            pair_name = f"{split}/{key}" if split else key
            left_out.append(LeftOut(name=pair_name, reason=TWICE, detail=", ".join(sorted(twice))))
            continue
        (hits,) = paths.pop("onsets", [""])
        ordered = {sound: paths[sound][0] for sound in sorted(paths, key=lambda sound: (sound != MIX, sound))}
        pairs.append(PairFiles(split=split, key=key, sounds=ordered, onsets=hits))
    return PairFolder(root=root, pairs=tuple(pairs), left_out=tuple(left_out))


def choose_kinds(folder: PairFolder, kinds: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the kinds that every pair must have: those asked for, else those of at least half of the mixtures.

    Raises UsageError for a folder without mixtures or without one-shots, and for a kind that no mixture has.
    """
    mixtures = [pair for pair in folder.pairs if MIX in pair.sounds]
    if not mixtures:
        hint = "name them KEY.mix.wav beside KEY.kick.wav, or put them into folders mix/ and kick/"
        raise UsageError(folder.root, f"no mixtures here ({len(folder.pairs)} other sounds with a name)", hint)
    counts = {kind: sum(kind in pair.sounds for pair in mixtures) for kind in _list_kinds(mixtures)}
    if kinds is not None:
        lacking = [kind for kind in kinds if kind not in counts]
        if lacking or not kinds:
            found = f"no {lacking[0]} beside any mixture" if lacking else "no kind at all"
            hint = f"there are {', '.join(counts) or 'none'}"
            raise UsageError("--kinds", found, hint)
        return tuple(dict.fromkeys(kinds))
    chosen = tuple(kind for kind, count in counts.items() if 2 * count >= len(mixtures))
    if not chosen:
        found = f"{len(mixtures)} mixtures, and no one-shots of one kind beside half of them"
        hint = "name them KEY.kick.wav beside KEY.mix.wav, or name the kinds: --kinds kick,snare"
        raise UsageError(folder.root, found, hint)
    return chosen


def select_whole_pairs(folder: PairFolder, kinds: tuple[str, ...]) -> tuple[tuple[PairFiles, ...], tuple[LeftOut, ...]]:
    """Return the pairs that have a mixture and one-shots of all the kinds, and what is left out.

    A one-shot of another kind is left out of its pair.
    """
    whole: list[PairFiles] = []
    left_out: list[LeftOut] = []
    for pair in folder.pairs:
        others = [path for sound, path in pair.sounds.items() if sound not in (MIX, *kinds)]
        missing = [kind for kind in kinds if kind not in pair.sounds]
        if MIX not in pair.sounds:
            left_out.append(LeftOut(name=pair.name, reason=NO_MIX, detail=", ".join(pair.sounds.values())))
        elif len(pair.sounds) == 1:
            left_out.append(LeftOut(name=pair.name, reason=NO_TARGET, detail=pair.sounds[MIX]))
        elif missing:
            detail = f"there are {', '.join(pair.sounds)}"
            left_out.append(LeftOut(name=pair.name, reason=f"no {' and no '.join(missing)}", detail=detail))
        else:
            left_out += [LeftOut(name=path, reason="a one-shot of a kind that is not imported") for path in others]
            sounds = {sound: pair.sounds[sound] for sound in (MIX, *kinds)}
            whole.append(PairFiles(split=pair.split, key=pair.key, sounds=sounds, onsets=pair.onsets))
    return tuple(whole), tuple(left_out)


def _list_kinds(pairs: Iterable[PairFiles]) -> list[str]:
    """Return all kinds, in the order of most recipes: kick, snare, hi-hat, then the others by name."""
    kinds = {sound for pair in pairs for sound in pair.sounds if sound != MIX}
    first = ("kick", "snare", "hihat")
    return sorted(kinds, key=lambda kind: (first.index(kind) if kind in first else len(first), kind))


def _find_onsets(paths: Iterable[Path], root: Path) -> dict[tuple[str, str], list[str]]:
    """Return the MIDI and CSV files by split and key."""
    onsets: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in paths:
        name = parse_sound_name(PurePosixPath(_relative(path, root)))
        onsets[name.split, name.key].append(_relative(path, root))
    return onsets


def _find_reason_to_skip(path: Path) -> str:
    """Return why a file holds neither a sound nor known hits; empty if its name or its first bytes say that it does."""
    if _may_hold_onsets(path) and path.is_symlink():
        return ""  # what it leads to is looked at later
    reason = find_reason_to_skip(path)
    return "" if reason == NOT_AUDIO and _may_hold_onsets(path) else reason


def _may_hold_onsets(path: Path) -> bool:
    return path.suffix.lower() in _ONSET_SUFFIXES


def _natural_order(pair: tuple[str, str]) -> tuple[object, ...]:
    split, key = pair
    parts = _NUMBER.split(key)
    return (split, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], key)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
