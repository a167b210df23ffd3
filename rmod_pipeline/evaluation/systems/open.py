"""Open the systems of a recipe for one test set: models, codecs and libraries once, however many systems use them.

systems = open_systems(recipe, pairs)
systems["DOSE"].extract_all(mixtures, "kick")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rmod_pipeline.codec import Codec, open_codec
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import UsageError
from rmod_pipeline.evaluation import recipe as choices
from rmod_pipeline.evaluation.sets.pairs import EvaluationSet, PairSet
from rmod_pipeline.evaluation.systems import codec_copy, dose_answers, library_sounds, separation, slicing
from rmod_pipeline.evaluation.systems import training_sounds as guesses
from rmod_pipeline.evaluation.systems.answers_folder import open_answers
from rmod_pipeline.evaluation.systems.base import Mixture, MixtureMemory, RememberedSystem, System
from rmod_pipeline.extraction.answers.known_sounds import KnownSounds, descriptions_folder
from rmod_pipeline.extraction.extractor import Extractor, open_extractors
from rmod_pipeline.extraction.listening.ear import OpenedEar, open_ear
from rmod_pipeline.extraction.open import open_ear_for
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.storage import parse_location

CODEC_BATCH = 4
"""Sounds that are encoded at once; fixed, because tokens may depend on it."""


@dataclass(slots=True)
class SystemOpener:
    """What several systems of a set share."""

    recipe: choices.EvaluationRecipe
    test_set: EvaluationSet
    device: str
    opened: dict[str, RememberedSystem] = field(default_factory=dict)
    _shared: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def open(self, choice: Any) -> System:
        """Open one system. Raises the errors of its files, and UsageError where it does not fit the set."""
        return self._openers[type(choice)](choice)

    @property
    def _openers(self) -> Mapping[type, Callable[[Any], System]]:
        return {
            choices.CodecCopy: self.open_copy,
            choices.Guess: self.open_guess,
            choices.AnotherPair: lambda choice: guesses.AnotherPairSystem(self.opened[choice.of]),
            choices.Slice: self.open_slicing,
            choices.NearestSound: self.open_nearest,
            choices.EarPick: self.open_pick,
            choices.DoseModel: self.open_dose,
            choices.OtherAnswers: self.open_answers_folder,
        }

    def open_copy(self, choice: choices.CodecCopy) -> System:
        """Open the codec for the truth or for a system that is open already."""
        source = self.opened[choice.of] if choice.of else codec_copy.TruthSystem(self.read_truths)
        return codec_copy.CodecCopySystem(self.codec(choice.codec), source)

    def open_nearest(self, choice: choices.NearestSound) -> System:
        """Open a library for the hits of a system that is open already."""
        ear = self.ear(None)
        return library_sounds.NearestSoundSystem(self.opened[choice.of], self.known(choice.library, None), ear)

    def open_pick(self, choice: choices.EarPick) -> System:
        """Open a library for an ear."""
        ear = self.ear(choice.ear)
        return library_sounds.EarPickSystem(self.known(choice.library, choice.ear), ear)

    def open_answers_folder(self, choice: choices.OtherAnswers) -> System:
        """Open a folder of answers."""
        return open_answers(Path(choice.folder), self.test_set.read_other_names())

    def open_guess(self, choice: choices.Guess) -> System:
        """Open a system that does not listen."""
        if choice.system == "silence":
            return guesses.SilentSystem()
        sounds, draw = self.training_sounds(), Draw.of("evaluation", self.recipe.seed, choice.system)
        return (guesses.ChanceSystem if choice.system == "chance" else guesses.TypicalSystem)(sounds, draw)

    def open_slicing(self, choice: choices.Slice) -> System:
        """Open a system that cuts hits."""
        separated = self.share(("separation", choice.separation), partial(self.open_separation, choice.separation))
        if choice.onsets == "known":
            return slicing.SlicingSystem(separated, slicing.known_onsets, refines=False)
        ear = self.ear(None)
        hear_onsets = partial(library_sounds.hear_onsets, ear)
        find_onsets = self.share(("onsets",), lambda: MixtureMemory(hear_onsets))
        return slicing.SlicingSystem(separated, find_onsets, refines=True)

    def open_separation(self, name: str) -> separation.Separation:
        """Open a way to separate. Raises UsageError for stems where the set has none."""
        if name == "none":
            return separation.NoSeparation()
        if name != "stems":
            part = self.share(("percussive part",), lambda: MixtureMemory(separation.compute_percussive_part))
            return separation.PercussiveSeparation(name == "bands", part)
        folder = getattr(self.test_set.choice, "stems", None)
        if folder is None:
            hint = "name the folder of its stems with `stems:`, or leave the system out"
            raise UsageError(f"the set {self.test_set.choice.name}", "has no stems, which a system needs", hint)
        if not Path(folder).is_dir():
            raise UsageError(folder, "no such folder of stems", "separate the mixtures first")
        return separation.StemSeparation(Path(folder))

    def open_dose(self, choice: choices.DoseModel) -> System:
        """Open a DOSE model; ranks of the same tries share them."""

        def open_model() -> dose_answers.DoseTries:
            extractors, codec = open_extractors(Path(choice.checkpoint), (), choice.codec, self.device)
            codec.require_rate(self.test_set.sample_rate, f"the set {self.test_set.choice.name}")
            return dose_answers.DoseTries(_by_kind(extractors), codec, choice.tries)

        model = self.share(("dose", choice.checkpoint, choice.codec, choice.tries), open_model)
        if choice.rank == "greedy":
            return dose_answers.DoseSystem(model, dose_answers.rank_greedy)
        ear = open_ear_for(model.codec) if choice.rank == "extract" else None
        return dose_answers.DoseSystem(model, dose_answers.ExtractRank(ear, model.codec.identity.sample_rate))

    def codec(self, name: str) -> Codec:
        """Open a codec once. Raises CodecError for one of another sample rate than the set."""
        codec: Codec = self.share(("codec", name), lambda: open_codec(name, device=self.device, batch=CODEC_BATCH))
        codec.require_rate(self.test_set.sample_rate, f"the set {self.test_set.choice.name}")
        return codec

    def ear(self, path: str | None) -> OpenedEar:
        """Open an ear once. Raises UsageError for one that hears another sample rate than the set has."""
        ear: OpenedEar = self.share(("ear", path), lambda: open_ear(None if path is None else Path(path)))
        own, expected = self.test_set.sample_rate, ear.features.sample_rate
        if own != expected:
            found = f"has {own} Hz, but a system hears with an ear for {expected} Hz"
            raise UsageError(
                f"the set {self.test_set.choice.name}", found, f"build it at {expected} Hz, or leave it out"
            )
        return ear

    def known(self, library: str, ear: str | None) -> KnownSounds:
        """Open the train split of a library once, as an ear describes it. Raises UsageError if it has none."""

        def open_library() -> KnownSounds:
            sounds = library_sounds.keep_split(load_library(library), "train")
            if not sounds.assets:
                raise UsageError(library, "has no sound in its train split", "give a library with splits")
            opened = self.ear(ear)
            return KnownSounds(opened, AudioStore(sounds, opened.features.sample_rate), descriptions_folder())

        known: KnownSounds = self.share(("library", library, ear), open_library)
        return known

    def training_sounds(self) -> guesses.TrainingSounds:
        """Return the training one-shots of the set."""
        choice = self.test_set.choice
        data = getattr(choice, "sounds", None) or getattr(choice, "data", None)
        if data is None:
            hint = "leave chance and typical out, or evaluate on pairs"
            raise UsageError(f"the set {choice.name}", "has no training one-shots to guess from", hint)
        return guesses.TrainingSounds.of(parse_location(data), "train", self.test_set.sample_rate)

    def read_truths(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return the true one-shots of a kind."""
        return [item.truths.get(kind) for item in self.test_set.read([mixture.key for mixture in mixtures])]

    def share(self, key: tuple[Any, ...], make: Any) -> Any:
        """Return what was made for a key before, or make it."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


def open_systems(
    recipe: choices.EvaluationRecipe, test_set: EvaluationSet, device: str = "auto"
) -> Mapping[str, RememberedSystem]:
    """Open all systems of a recipe that a set allows, by name, in order. Songs allow only those that need no truth."""
    opener = SystemOpener(recipe, test_set, device)
    for choice in recipe.systems:
        if isinstance(test_set, PairSet) or not needs_truth(choice, recipe, test_set.choice):
            opener.opened[choices.name_of(choice)] = RememberedSystem(opener.open(choice))
    return opener.opened


def needs_truth(choice: Any, recipe: choices.EvaluationRecipe, songs: Any) -> bool:
    """Return whether a system needs what is known of pairs alone: the truth, known hits, or stems."""
    match choice:
        case choices.Guess():
            return bool(choice.system != "silence" and songs.sounds is None)
        case choices.Slice():
            return bool(choice.onsets == "known" or choice.separation == "stems")
        case choices.CodecCopy() | choices.AnotherPair() | choices.NearestSound():
            if choice.of is None:
                return True
            source = next(each for each in recipe.systems if choices.name_of(each) == choice.of)
            return needs_truth(source, recipe, songs)
    return False


def _by_kind(extractors: Sequence[Extractor]) -> dict[str, Extractor]:
    return {extractor.instrument: extractor for extractor in extractors}
