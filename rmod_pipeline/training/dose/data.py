"""Finished token shards -> batches: endless for training, every pair exactly once for validation.

Training goes in legs, from one validation and checkpoint to the next. What a leg reads depends on the recipe's seed,
the leg, and the number of ranks and workers; on nothing that happened before it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.dose.layout import ABSENT
from rmod_pipeline.dose.loss import Pairs
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.errors import DoseError, RmodError, ShardError, nearest
from rmod_pipeline.reading.loader import TokenPair, load_tokens
from rmod_pipeline.reading.shard_list import list_finished_shards
from rmod_pipeline.reading.stream import PairStream
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.storage import Location

TRAIN, VALID = "train", "valid"

UNFINISHED = "finish it with the command that began it"

HELD = 500
"""Pairs that each worker holds to draw the next one from. Pairs are drawn independently, so few would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenData:
    """A data set whose tokens can be trained on."""

    out: Location
    family: TokenFamily

    @property
    def identity(self) -> CodecIdentity:
        """The codec that made the tokens."""
        known = self.family.codec
        return CodecIdentity(**{name: known[name] for name in CodecIdentity.__dataclass_fields__})

    def to_dict(self) -> dict[str, Any]:
        """Return what tells it from others: the digests of build.json and codec.json, and words to go with them."""
        said = read_fingerprint(Layout(self.out).build)
        told = {"recipe": said["recipe"]["name"], "seed": said["seed"], "pairs": said["pairs"]}
        return {"build": self.family.build, "tokens": self.family.digest(), **told}


def open_data(
    out: Location, codec: str | None, recipe: DoseRecipe, instruments: Sequence[str], world: int = 1
) -> TokenData:
    """Return a data set after checking that a recipe can be trained on it, by so many devices.

    Raises ShardError, DoseError.
    """
    family = choose_family(out, codec)
    data = TokenData(out=out, family=family)
    pairs = read_fingerprint(Layout(out).build)["pairs"]
    for split in (TRAIN, VALID):
        if not pairs.get(split):
            there = ", ".join(f"{count} {name}" for name, count in pairs.items())
            hint = f"build it with pairs of both: --pairs {TRAIN}=1000,{VALID}=100"
            raise ShardError(f"{out}, split {split}", f"no pairs in it; there are {there}", hint)
        _check_finished(data, split, world)
    _check_shape(data, recipe)
    for instrument in instruments:
        _check_instrument(data, recipe, instrument)
    return data


def _check_finished(data: TokenData, split: str, world: int) -> None:
    about = f"{data.out}, split {split}"
    try:
        shards = list_finished_shards(Layout(data.out), data.family.folder, data.family.digest(), split)
    except ShardError as error:
        if not error.hint.startswith(UNFINISHED):
            raise
        # What the reader of shards adds is for those who call it in Python.
        hint = f"{UNFINISHED}; `rmod status {data.out}` tells how far it is"
        raise ShardError(about, error.found, hint) from error
    pairs = sum(shard.pairs for shard in shards)
    if pairs < world:
        hint = f"give fewer --devices, or build more pairs: --pairs {TRAIN}=1000,{VALID}=100"
        raise ShardError(about, f"{pairs} pairs in it, for {world} devices", hint)


def _check_shape(data: TokenData, recipe: DoseRecipe) -> None:
    about, size = f"{data.out}/{data.family.folder}", recipe.model
    for name, have, wanted in (
        ("codebooks", data.family.shape[0], size.codebooks),
        ("codebook_size", data.family.shape[1], size.codebook_size),
        ("condition_frames", data.family.windows[MIX], size.condition_frames),
    ):
        if have != wanted:
            found = f"tokens of {name.replace('_', ' ')} {have}, the recipe {recipe.name} has model.{name} {wanted}"
            raise DoseError(about, found, f"set model.{name}: {have} in the recipe, or give tokens of another codec")


def _check_instrument(data: TokenData, recipe: DoseRecipe, instrument: str) -> None:
    about, windows = f"{data.out}/{data.family.folder}", data.family.windows
    if instrument not in windows:
        known = [name for name in windows if name != MIX]
        found = f"no tokens of {instrument}{nearest(instrument, known)}; there are {', '.join(known)}"
        raise DoseError(about, found, f"take {instrument} from the recipe's instruments, or build pairs that have it")
    if windows[instrument] != recipe.frames(instrument):
        found = f"{instrument} in windows of {windows[instrument]} frames, the recipe's are {recipe.frames(instrument)}"
        raise DoseError(about, found, f"set target_frames: {{{instrument}: {windows[instrument]}}} in the recipe")


class Batch(NamedTuple):
    """Pairs of token arrays."""

    keys: list[str]
    mixtures: Tensor
    """[n, codebooks, condition frames] int32."""
    targets: Tensor
    """[n, codebooks, frames] int32; -1 where a window has ended."""
    lengths: Tensor
    """[n] int64: frames of each target that hold sound."""
    instruments: Tensor
    """[n] int64: place of each target's instrument among those of the model."""

    def pairs(self, several: bool) -> Pairs:
        """Return them for the loss of a model of several instruments, or of one."""
        told = self.instruments if several else None
        return Pairs(mixtures=self.mixtures, targets=self.targets, lengths=self.lengths, instruments=told)

    def of(self, instrument: int) -> Batch:
        """Return those of one instrument."""
        where = self.instruments == instrument
        keys = [key for key, wanted in zip(self.keys, where.tolist(), strict=True) if wanted]
        parts = (self.mixtures[where], self.targets[where], self.lengths[where], self.instruments[where])
        return Batch(keys, *parts)


class TrainingExample(NamedTuple):
    """A mixture and one of its one-shots."""

    key: str
    mixture: NDArray[np.int64]
    target: NDArray[np.int64]
    length: int
    instrument: int


class LoaderError(NamedTuple):
    """An error on its way out of a worker, from which torch would bring it without what it says."""

    about: str
    found: str
    hint: str


@dataclass(frozen=True, slots=True)
class InstrumentsInTurn:
    """Of a pair one instrument: of the first pair the first, of the next the next, and so on around."""

    instruments: tuple[str, ...]

    def __call__(self, turn: int, pair: TokenPair) -> Iterator[TrainingExample]:
        """Yield the item of a stream's pair number ``turn``."""
        place = turn % len(self.instruments)
        yield _item(pair, self.instruments[place], place)


@dataclass(frozen=True, slots=True)
class AllInstruments:
    """Of a pair every instrument."""

    instruments: tuple[str, ...]

    def __call__(self, turn: int, pair: TokenPair) -> Iterator[TrainingExample]:  # noqa: ARG002
        """Yield the items of a pair."""
        for place, instrument in enumerate(self.instruments):
            yield _item(pair, instrument, place)


def _item(pair: TokenPair, instrument: str, place: int) -> TrainingExample:
    codes, frames = pair["codes"], pair["frames"]
    return TrainingExample(pair["key"], codes[MIX], codes[instrument], frames[instrument], place)


class ExampleStream(IterableDataset[Any]):
    """What is chosen of each pair of a stream; its last item may be a Failure."""

    def __init__(self, pairs: PairStream, choose: Callable[[int, TokenPair], Iterable[Any]]) -> None:
        super().__init__()
        self.pairs, self.choose = pairs, choose

    def __iter__(self) -> Iterator[Any]:
        try:
            for turn, pair in enumerate(self.pairs):
                yield from self.choose(turn, pair)
        except RmodError as error:
            yield LoaderError(error.about, error.found, error.hint)


def loader_error_in(items: Sequence[Any]) -> LoaderError | None:
    """Return the failure that came instead of an item, if one did."""
    return next((item for item in items if isinstance(item, LoaderError)), None)


@dataclass(frozen=True, slots=True)
class Collate:
    """Items -> a batch, its targets filled up to so many frames."""

    frames: int

    def __call__(self, items: Sequence[Any]) -> Batch | LoaderError:
        """Return the batch, or the failure that came instead of an item."""
        failure = loader_error_in(items)
        if failure:
            return failure
        targets = np.full((len(items), items[0].target.shape[0], self.frames), ABSENT, dtype=np.int32)
        for row, item in enumerate(items):
            targets[row, :, : item.target.shape[1]] = item.target
        return Batch(
            keys=[item.key for item in items],
            mixtures=torch.from_numpy(np.stack([item.mixture for item in items]).astype(np.int32)),
            targets=torch.from_numpy(targets),
            lengths=torch.tensor([item.length for item in items]),
            instruments=torch.tensor([item.instrument for item in items]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """Who reads: this rank among all, and how many processes help it."""

    rank: int = 0
    world: int = 1
    workers: int = 0
    pin: bool = False
    """Whether batches are to be sent to a GPU."""

    def loader(self, items: IterableDataset[Any], batch: int, collate: Callable[[Any], Any]) -> DataLoader[Any]:
        """Return a loader of batches."""
        return DataLoader(
            items,
            batch_size=batch,
            num_workers=self.workers,
            collate_fn=collate,
            pin_memory=self.pin,
            persistent_workers=self.workers > 0,
            worker_init_fn=leave_quietly,
        )


def leave_quietly(_worker: int) -> None:
    """Have a worker say nothing when the training that it hands a batch to is gone: stopped, and said so itself."""

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError):
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = say


def share(recipe: DoseRecipe, world: int) -> int:
    """Return how many pairs of a step are one rank's. Raises DoseError if they cannot be shared out evenly."""
    batch = recipe.schedule.batch
    if batch % world:
        found = f"a batch of {batch} pairs cannot be shared out evenly over {world} devices"
        raise DoseError(f"recipe {recipe.name}", found, f"set schedule.batch to a multiple of {world}")
    return batch // world


class Batches:
    """Batches by a loader, whose workers live until it is closed.

    Left to the garbage collector, in the cycles that lightning's objects are, torch takes five seconds for each worker.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader: DataLoader[Any] | None = loader
        self._running: Generator[Batch, None, None] | None = None

    def __iter__(self) -> Iterator[Batch]:
        self._running = self._read()
        return self._running

    def _read(self) -> Generator[Batch, None, None]:
        assert self._loader is not None
        yield from raise_loader_errors(self._loader)

    def close(self) -> None:
        """Let the workers go."""
        if self._running is not None:
            self._running.close()
        self._running = self._loader = None


class TrainLoader(Batches):
    """The batches of training: each loop over it is a leg, the one that begins at the step that ``step`` tells."""

    def __init__(
        self,
        data: TokenData,
        recipe: DoseRecipe,
        instruments: Sequence[str],
        reading: LoaderSettings,
        step: Callable[[], int],
    ) -> None:
        self._schedule, self._step = recipe.schedule, step
        count = read_fingerprint(Layout(data.out).build)["pairs"][TRAIN]
        self._pairs = load_tokens(
            data.out,
            TRAIN,
            data.family.name,
            sounds=[MIX, *instruments],
            shuffle=min(HELD, count),
            seed=recipe.seed,
            resampled=True,
            rank=reading.rank,
            world_size=reading.world,
        )
        items = ExampleStream(self._pairs, InstrumentsInTurn(tuple(instruments)))
        longest = max(map(recipe.frames, instruments))
        super().__init__(reading.loader(items, share(recipe, reading.world), Collate(longest)))
        self.waited = 0.0
        """Seconds spent waiting for batches, ever."""

    def _read(self) -> Generator[Batch, None, None]:
        every, step = self._schedule.check_every_steps, self._step()
        self._pairs.set_epoch(step // every)
        batches = super()._read()
        for _ in range(min(every - step % every, self._schedule.steps - step)):
            begin = time.monotonic()
            batch = next(batches)
            self.waited += time.monotonic() - begin
            yield batch


class ValidationLoader(Batches):
    """The batches of validation: every pair once, with every instrument, by one of the ranks."""

    def __init__(
        self, data: TokenData, recipe: DoseRecipe, instruments: Sequence[str], reading: LoaderSettings
    ) -> None:
        pairs = load_tokens(
            data.out, VALID, data.family.name, sounds=[MIX, *instruments], rank=reading.rank, world_size=reading.world
        )
        items = ExampleStream(pairs, AllInstruments(tuple(instruments)))
        longest = max(map(recipe.frames, instruments))
        super().__init__(reading.loader(items, share(recipe, reading.world), Collate(longest)))


def raise_loader_errors(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield batches; where a worker met an error, raise it here as it was. Raises ShardError."""
    for batch in batches:
        if isinstance(batch, LoaderError):
            raise ShardError(*batch)
        yield batch
