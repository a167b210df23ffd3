"""Define what an evaluation compares: systems x test sets x kinds. Imports no torch.

A recipe is a YAML file; paths in it are relative to its folder. recipes/evaluation/ has one with every key.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rmod_pipeline.codec.catalogue import KNOWN, make_plain_name
from rmod_pipeline.distributions import Strict
from rmod_pipeline.errors import MAX_SEED
from rmod_pipeline.library.manifest import BUILTIN
from rmod_pipeline.recipe.find import find_recipe, recipe_names
from rmod_pipeline.recipe.load import load_yaml_as
from rmod_pipeline.storage.folders import shipped_folder
from rmod_pipeline.storage.locations import expand_home
from rmod_pipeline.storage.naming import NAME

FOLDER = "evaluation"
"""The folder of the shipped recipes of evaluations."""

TRUTH, ALL_KINDS = "truth", "all"
"""What stands for the true one-shots among systems, and for all kinds together."""

Kind = Annotated[str, Field(pattern=NAME)]
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\n|<>]+$")]


class PairsChoice(Strict):
    """The pairs of a data set as a test set."""

    name: Label = Field(description="Name in the tables.")
    data: str = Field(description="Folder or address of a data set with audio.")
    split: str = Field(default="test", description="The split to evaluate on.")
    sounds: str | None = Field(
        default=None, description="Data set whose train split chance and typical use; default: this one."
    )
    stems: str | None = Field(default=None, description="Folder of stems that a separation program wrote.")
    paper: Literal["RMOD", "RMOD drums-only", "Groove MIDI"] | None = Field(
        default=None, description="The set of the DOSE paper that this one is made like; its figures stand beside."
    )


class SongsChoice(Strict):
    """Songs without truth as a test set."""

    name: Label = Field(description="Name in the tables.")
    songs: str = Field(description="Folder of songs, or one song.")
    windows: int = Field(default=3, ge=1, le=64, description="Windows per song.")
    sounds: str | None = Field(default=None, description="Data set whose train split chance and typical use.")


class CodecCopy(Strict):
    """A system: the truth through a codec, or another system's answer."""

    system: Literal["codec"]
    name: Label = "codec"
    codec: str = Field(default="mini", description="Name of the codec, or the path of its weights.")
    of: Label | None = Field(default=None, description="Copy the answers of this system; default: the truth.")


class Guess(Strict):
    """A system that does not listen: a training one-shot at random, the most typical one, or silence."""

    system: Literal["chance", "typical", "silence"]
    name: Label | None = None


class AnotherPair(Strict):
    """A system: what a system answers to another mixture."""

    system: Literal["another"]
    name: Label | None = None
    of: Label = Field(description="The system whose answers are exchanged.")


class Slice(Strict):
    """A system: separate the drum, and cut one hit."""

    system: Literal["slice"]
    name: Label
    onsets: Literal["known", "found"] = Field(default="known", description="Hits that the set knows, or the ear hears.")
    separation: Literal["none", "percussive", "bands", "stems"] = Field(
        default="bands",
        description="The mixture; its percussive part; that in the drum's band; or the stems of the set.",
    )


class NearestSound(Strict):
    """A system: the sound of a library that is nearest to the hit that another system cut."""

    system: Literal["library"]
    name: Label = "nearest sound"
    of: Label = Field(description="The system that cuts the hit.")
    library: str = Field(default=BUILTIN, description="The library; its train split is used.")


class EarPick(Strict):
    """A system: what the ear picks from a library."""

    system: Literal["ear"]
    name: Label = "ear's pick"
    library: str = Field(default=BUILTIN, description="The library; its train split is used.")
    ear: str | None = Field(default=None, description="A trained ear; default: the one that rmod ships.")


class DoseModel(Strict):
    """A system: a DOSE checkpoint."""

    system: Literal["dose"]
    name: Label = "DOSE"
    checkpoint: str = Field(description="A checkpoint, or a folder of them.")
    codec: str | None = Field(default=None, description="Its codec; default: the one that it names.")
    tries: int = Field(default=8, ge=0, le=256, description="Sampled candidates per mixture beside the greedy one.")
    rank: Literal["extract", "agreed", "greedy"] = Field(
        default="extract",
        description="As an extraction ranks; by what the tries have in common alone; or the greedy one.",
    )


class OtherAnswers(Strict):
    """A system: a folder of answers that any program made."""

    system: Literal["answers"]
    name: Label
    folder: str = Field(description="Folder with KEY.kick.wav or kick/KEY.wav.")


def _tell_set(content: Any) -> str:
    """Return which kind of set a mapping or a record is: one with songs, or one with pairs."""
    is_songs = "songs" in content if isinstance(content, dict) else isinstance(content, SongsChoice)
    return "songs" if is_songs else "pairs"


SetChoice = Annotated[
    Annotated[PairsChoice, Tag("pairs")] | Annotated[SongsChoice, Tag("songs")], Discriminator(_tell_set)
]

SystemChoice = Annotated[
    CodecCopy | Guess | AnotherPair | Slice | NearestSound | EarPick | DoseModel | OtherAnswers,
    Field(discriminator="system"),
]


class EmbeddingChoice(Strict):
    """An embedding for distances between distributions."""

    name: str = Field(description="ear, classifier, codec-latents, YAMNet, VGGish or CLAP.")
    weights: str | None = Field(default=None, description="File of its weights, where rmod ships none.")


class EvaluationRecipe(Strict):
    """All that decides the figures of an evaluation."""

    name: str = Field(default="evaluation", pattern=r"^[a-z][a-z0-9_-]*$", description="Name of the evaluation.")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="Seed of chance, and of the intervals.")
    kinds: tuple[Kind, ...] = Field(default=("kick", "snare", "hihat"), min_length=1, description="Drums to extract.")
    pairs: int | None = Field(default=None, ge=1, description="Only the first pairs of each set; null: all.")
    sets: tuple[SetChoice, ...] = Field(min_length=1, description="The test sets, in order.")
    systems: tuple[SystemChoice, ...] = Field(min_length=1, description="The systems, in order.")
    compare_with: Label | None = Field(
        default=None, description="System that all others are compared with; default: the first of `dose`, or typical."
    )
    embeddings: tuple[EmbeddingChoice, ...] = Field(
        default=(EmbeddingChoice(name="ear"),), description="Embeddings for FAD and KAD."
    )
    listen: int = Field(default=1, ge=0, le=20, description="Best, median and worst answers on the page, of each.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the systems, in order."""
        return tuple(name_of(choice) for choice in self.systems)

    @model_validator(mode="after")
    def _check_names(self) -> EvaluationRecipe:
        for what, names in (("set", [each.name for each in self.sets]), ("system", list(self.names))):
            plain = [make_plain_name(name) for name in names]
            repeated = next((name for name, slug in zip(names, plain, strict=True) if plain.count(slug) > 1), None)
            if repeated is not None:
                raise ValueError(f"two {what}s are called {repeated}; give each another `name`")
        taken = next((name for name in self.names if make_plain_name(name) == TRUTH), None)
        if taken is not None:
            raise ValueError(f"no system may be called {taken}, which stands for the true one-shots")
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"a kind is listed twice: {', '.join(self.kinds)}")
        if ALL_KINDS in self.kinds:
            raise ValueError(f"no kind may be called {ALL_KINDS}, which stands for all of them together")
        embeddings = [choice.name.lower() for choice in self.embeddings]
        if len(set(embeddings)) < len(embeddings):
            raise ValueError(f"an embedding is listed twice: {', '.join(embeddings)}")
        known: list[str] = []
        for choice in self.systems:
            used = getattr(choice, "of", None)
            if used is not None and used not in known:
                raise ValueError(f"{name_of(choice)}: `of: {used}` names no system that stands before it")
            known.append(name_of(choice))
        if self.compare_with is not None and self.compare_with not in known:
            raise ValueError(f"`compare_with: {self.compare_with}` names no system: there are {', '.join(known)}")
        return self


def name_of(choice: Any) -> str:
    """Return the name of a system in the tables."""
    if choice.name is not None:
        return str(choice.name)
    return f"another's {choice.of}" if isinstance(choice, AnotherPair) else str(choice.system)


def is_recipe(source: str) -> bool:
    """Return whether a text names a recipe, and not a checkpoint: a YAML file, or one that rmod ships."""
    return Path(source).suffix in (".yaml", ".yml") or source in recipe_names(FOLDER)


def load_evaluation_recipe(name: str) -> EvaluationRecipe:
    """Read a recipe from a path, or by the name of one that rmod ships; its paths become independent of the folder.

    Raises RecipeError that lists every problem with its line.
    """
    path = find_recipe(name, FOLDER)
    recipe = load_yaml_as(EvaluationRecipe, path, shipped_folder("recipes") / FOLDER / "table.yaml")
    return resolve_paths(recipe, path.parent)


_PATHS = ("data", "sounds", "stems", "songs", "checkpoint", "folder", "library", "ear", "codec", "weights")


def resolve_paths(recipe: EvaluationRecipe, folder: Path) -> EvaluationRecipe:
    """Return a recipe whose paths are relative to the working folder, not to that of its file."""
    content = recipe.model_dump(mode="json")
    for part in _iterate_parts(content):
        for key in _PATHS:
            value = part.get(key)
            # A name that rmod knows, such as builtin or mini, or an address, is no path below the folder.
            if isinstance(value, str) and "://" not in value and value not in (BUILTIN, *KNOWN):
                part[key] = str(folder / expand_home(value))
    return EvaluationRecipe.model_validate(content)


def _iterate_parts(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("sets", "systems", "embeddings"):
        yield from content[key]
