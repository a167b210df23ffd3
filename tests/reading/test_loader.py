"""Load tokens and audio: what a loader yields is what the tars hold, in a reproducible order, on ranks and workers."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.reading.loader import load_audio, load_tokens
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import decode_audio
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.training.loop.loaders import worker_context
from tests.reading.reading_examples import TRAIN, keys


def create_loader(pairs: Any, **options: Any) -> Any:
    """Return a DataLoader of single pairs. Its workers are not forked: the process of the tests has other threads."""
    from torch.utils.data import DataLoader

    if options.get("num_workers"):
        options = {"multiprocessing_context": worker_context()} | options
    return DataLoader(pairs, batch_size=None, **options)


def test_tokens_equal_those_in_the_tars(encoded: Path) -> None:
    (name,) = family_names(encoded)
    read = list(load_tokens(encoded, "train"))
    assert keys(read) == TRAIN
    stored = [
        pair for number in range(4) for pair in read_tar(Layout(encoded).tar(f"train-{number:06d}", f"tokens/{name}"))
    ]
    for pair, (key, members) in zip(read, stored, strict=True):
        assert pair["key"] == key
        assert pair["frames"] == json.loads(members["json"])["tokens"]["frames"] == {"mix": 44, "kick": 9, "snare": 9}
        assert list(pair["codes"]) == ["mix", "kick", "snare"]
        for sound, codes in pair["codes"].items():
            assert codes.dtype == np.int64
            np.testing.assert_array_equal(codes, decode_codes(members[f"{sound}.npy"], key))


def test_audio_equals_that_in_the_tars(encoded: Path) -> None:
    read = list(load_audio(encoded, "valid"))
    assert keys(read) == ["valid-00000000", "valid-00000001"]
    for pair, (_, members) in zip(read, read_tar(Layout(encoded).tar("valid-000000")), strict=True):
        assert list(pair["audio"]) == ["mix", "kick", "snare"]
        for sound, audio in pair["audio"].items():
            pcm, rate = decode_audio(members[f"{sound}.wav"])
            assert (audio.dtype, pair["rate"]) == (np.float32, rate)
            np.testing.assert_array_equal(to_pcm(audio), pcm)


def test_only_the_selected_sounds_are_read(encoded: Path) -> None:
    assert all(list(pair["codes"]) == ["snare"] for pair in load_tokens(encoded, "train", sounds=["snare"]))
    assert all(list(pair["audio"]) == ["mix"] for pair in load_audio(encoded, "train", sounds=["mix"]))


def test_the_order_depends_on_seed_and_epoch_only(encoded: Path) -> None:
    pairs = load_tokens(encoded, "train", shuffle=4)
    first = keys(pairs)
    assert sorted(first) == TRAIN != first
    assert keys(pairs) == first == keys(load_tokens(encoded, "train", shuffle=4))
    pairs.set_epoch(1)
    second = keys(pairs)
    assert second == keys(load_tokens(encoded, "train", shuffle=4, epoch=1))
    third = keys(load_tokens(encoded, "train", shuffle=4, seed=1))
    assert sorted(second) == sorted(third) == TRAIN
    assert len({tuple(order) for order in (first, second, third)}) == 3
    pairs.set_epoch(0)
    assert keys(pairs) == first


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
@pytest.mark.parametrize("shuffle", [0, 3])
def test_ranks_together_read_every_pair_once(encoded: Path, world_size: int, shuffle: int) -> None:
    shares = [
        load_tokens(encoded, "train", shuffle=shuffle, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    read = [keys(share) for share in shares]
    assert sorted(key for share in read for key in share) == TRAIN
    assert [share.pairs for share in shares] == [len(share) for share in read]
    assert {len(share) for share in read} <= {10 // world_size, 10 // world_size + 1}


def test_the_rank_is_detected_from_the_environment(encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        read.append(keys(load_tokens(encoded, "train")))
    assert read == [TRAIN[:5], TRAIN[5:]]


def test_a_resampled_stream_is_endless_on_every_rank(encoded: Path) -> None:
    read = []
    for rank in range(3):
        pairs = load_tokens(encoded, "valid", resampled=True, rank=rank, world_size=3, shuffle=2)
        read.append(keys(islice(pairs, 50)))
        assert keys(islice(pairs, 50)) == read[-1]
        assert pairs.pairs == 2
    assert [len(share) for share in read] == [50, 50, 50]
    assert len({tuple(share) for share in read}) == 3


def test_a_dataloader_without_workers_makes_batches(encoded: Path) -> None:
    from torch.utils.data import DataLoader

    batches = list(DataLoader(load_tokens(encoded, "train"), batch_size=4))
    assert [list(batch["codes"]["mix"].shape) for batch in batches] == [[4, 9, 44], [4, 9, 44], [2, 9, 44]]
    assert [key for batch in batches for key in batch["key"]] == TRAIN
    assert batches[0]["frames"]["kick"].tolist() == [9] * 4


def test_workers_read_every_pair_once_and_see_the_next_epoch(encoded: Path) -> None:
    """Use two ranks with two persistent workers each."""
    orders = []
    for context in (worker_context(), "spawn"):
        loaders = []
        for rank in range(2):
            pairs = load_tokens(encoded, "train", shuffle=3, rank=rank, world_size=2)
            batches = create_loader(pairs, num_workers=2, persistent_workers=True, multiprocessing_context=context)
            loaders.append((pairs, batches))
            if context == "spawn":
                break  # spawned workers start slowly, so one rank must be enough
        for epoch in range(2):
            read = []
            for pairs, batches in loaders:
                pairs.set_epoch(epoch)
                read.append(keys(batches))
            if context != "spawn":
                assert sorted(key for share in read for key in share) == TRAIN
            orders.append(read[0])
    server, server_next, spawn, spawn_next = orders
    assert (server, server_next) == (spawn, spawn_next)
    assert server != server_next


def test_workers_read_audio(encoded: Path) -> None:
    assert sorted(keys(create_loader(load_audio(encoded, "train", shuffle=2), num_workers=2))) == TRAIN
    resampled = create_loader(load_audio(encoded, "train", resampled=True), num_workers=2)
    assert len(keys(islice(resampled, 30))) == 30


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_more_workers_than_pairs_leave_some_idle(encoded: Path) -> None:
    assert sorted(keys(create_loader(load_tokens(encoded, "valid"), num_workers=3))) == [
        "valid-00000000",
        "valid-00000001",
    ]


def test_a_stream_is_a_webdataset_stage_and_can_be_pickled(encoded: Path) -> None:
    import webdataset

    pairs = load_tokens(encoded, "train", shuffle=4, epoch=2)
    assert keys(pickle.loads(pickle.dumps(pairs))) == keys(pairs)
    selected = pairs.compose(webdataset.select(_is_even))
    assert sorted(keys(selected)) == TRAIN[::2]


def _is_even(pair: Any) -> bool:
    return int(pair["key"][-1]) % 2 == 0


def test_the_beginning_of_a_codec_name_is_enough(encoded: Path) -> None:
    (name,) = family_names(encoded)
    assert keys(load_tokens(encoded, "train", "mini")) == keys(load_tokens(encoded, "train", name)) == TRAIN


def test_importing_the_loader_imports_no_torch() -> None:
    code = "import sys, rmod_pipeline.reading.loader; print({'torch', 'webdataset'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
