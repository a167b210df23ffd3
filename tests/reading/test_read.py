"""Reading for training: every pair once, whoever reads; and what cannot be read is named."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import RmodError, ShardError, UsageError
from rmod_pipeline.reading.loader import load_audio, load_tokens
from rmod_pipeline.reading.sampler import ReaderRank, ShardPart, endless, one_epoch, shuffled
from rmod_pipeline.shards.layout import AUDIO, Layout
from rmod_pipeline.shards.members import decode_audio
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.shards.tokens import decode_codes, encode_codes

TRAIN = [f"train-{index:08d}" for index in range(10)]
"""The keys of the tiny data set, in four shards of 3, 3, 3 and 1."""


@pytest.fixture
def copy(encoded: Path, tmp_path: Path) -> Path:
    """The data set, to be changed."""
    return Path(shutil.copytree(encoded, tmp_path / "out"))


def keys(pairs: Iterable[Any]) -> list[str]:
    return [pair["key"] for pair in pairs]


def loader(pairs: Any, **options: Any) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(pairs, batch_size=None, **options)


# Who reads what, and in which order.


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[int], int, int]:
    """Pairs of each shard, ranks, workers."""
    return draw(st.lists(st.integers(0, 9), max_size=12)), draw(st.integers(1, 5)), draw(st.integers(1, 4))


def seats(world: int, workers: int) -> Iterator[ReaderRank]:
    for rank in range(world):
        for worker in range(workers):
            yield ReaderRank(rank=rank, world=world, worker=worker, workers=workers)


def places(parts: Iterable[ShardPart]) -> list[tuple[int, int]]:
    return [(part.shard, place) for part in parts for place in range(part.start, part.stop)]


@given(tables(), st.one_of(st.none(), st.integers(0, 3)))
def test_all_readers_together_see_every_pair_once_and_none_sees_more_than_another(
    table: tuple[list[int], int, int], seed: int | None
) -> None:
    pairs, world, workers = table
    draw = None if seed is None else Draw.of(seed)
    shares = [places(one_epoch(pairs, seat, draw)) for seat in seats(world, workers)]
    wanted = [(shard, place) for shard, count in enumerate(pairs) for place in range(count)]
    assert sorted(place for share in shares for place in share) == wanted
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    ranks = [sum(map(len, shares[rank * workers : (rank + 1) * workers])) for rank in range(world)]
    assert max(ranks) - min(ranks) <= 1


@given(st.lists(st.integers()), st.integers(1, 20), st.integers(0, 3))
def test_shuffling_loses_nothing_and_is_drawn(items: list[int], size: int, seed: int) -> None:
    once = list(shuffled(items, size, Draw.of(seed)))
    assert Counter(once) == Counter(items)
    assert once == list(shuffled(items, size, Draw.of(seed)))


def test_resampling_draws_every_pair_equally_often_and_every_reader_something_else() -> None:
    pairs, total = [7, 0, 2, 1], 20_000
    one, other = (
        list(islice(endless(pairs, ReaderRank(worker=worker, workers=2), Draw.of(0)), total)) for worker in range(2)
    )
    drawn = Counter(part.shard for part in one)
    for shard, count in enumerate(pairs):
        # Four standard deviations of a binomial.
        assert abs(drawn[shard] - total * count / 10) <= 4 * (total * 0.25) ** 0.5
    assert one != other


# Through webdataset.


def test_tokens_are_those_of_the_tars(encoded: Path) -> None:
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


def test_audio_is_that_of_the_tars(encoded: Path) -> None:
    read = list(load_audio(encoded, "valid"))
    assert keys(read) == ["valid-00000000", "valid-00000001"]
    for pair, (_, members) in zip(read, read_tar(Layout(encoded).tar("valid-000000")), strict=True):
        assert list(pair["audio"]) == ["mix", "kick", "snare"]
        for sound, audio in pair["audio"].items():
            pcm, rate = decode_audio(members[f"{sound}.wav"])
            assert (audio.dtype, pair["rate"]) == (np.float32, rate)
            np.testing.assert_array_equal(to_pcm(audio), pcm)


def test_the_sounds_asked_for_alone_are_read(encoded: Path) -> None:
    assert all(list(pair["codes"]) == ["snare"] for pair in load_tokens(encoded, "train", sounds=["snare"]))
    assert all(list(pair["audio"]) == ["mix"] for pair in load_audio(encoded, "train", sounds=["mix"]))


def test_the_same_seed_and_epoch_give_the_same_order_and_others_another(encoded: Path) -> None:
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


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("shuffle", [0, 3])
def test_ranks_together_read_every_pair_once(encoded: Path, world: int, shuffle: int) -> None:
    shares = [load_tokens(encoded, "train", shuffle=shuffle, nodes=(rank, world)) for rank in range(world)]
    read = [keys(share) for share in shares]
    assert sorted(key for share in read for key in share) == TRAIN
    assert [share.pairs for share in shares] == [len(share) for share in read]
    assert {len(share) for share in read} <= {10 // world, 10 // world + 1}


def test_the_rank_is_found_in_the_environment(encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        read.append(keys(load_tokens(encoded, "train")))
    assert read == [TRAIN[:5], TRAIN[5:]]


def test_resampling_never_ends_and_starves_no_rank(encoded: Path) -> None:
    read = []
    for rank in range(3):
        pairs = load_tokens(encoded, "valid", resampled=True, nodes=(rank, 3), shuffle=2)
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


def test_workers_read_every_pair_once_and_hear_of_the_next_epoch(encoded: Path) -> None:
    """Two ranks of two workers, which live through all epochs: eight shares."""
    orders = []
    for context in ("fork", "spawn"):
        loaders = []
        for rank in range(2):
            pairs = load_tokens(encoded, "train", shuffle=3, nodes=(rank, 2))
            batches = loader(pairs, num_workers=2, persistent_workers=True, multiprocessing_context=context)
            loaders.append((pairs, batches))
            if context == "spawn":
                break  # slow to start: one rank tells enough
        for epoch in range(2):
            read = []
            for pairs, batches in loaders:
                pairs.set_epoch(epoch)
                read.append(keys(batches))
            if context == "fork":
                assert sorted(key for share in read for key in share) == TRAIN
            orders.append(read[0])
    fork, fork_next, spawn, spawn_next = orders
    assert (fork, fork_next) == (spawn, spawn_next)
    assert fork != fork_next


def test_audio_goes_through_workers_too(encoded: Path) -> None:
    assert sorted(keys(loader(load_audio(encoded, "train", shuffle=2), num_workers=2))) == TRAIN
    endless_pairs = loader(load_audio(encoded, "train", resampled=True), num_workers=2)
    assert len(keys(islice(endless_pairs, 30))) == 30


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_more_workers_than_pairs_leave_some_idle(encoded: Path) -> None:
    assert sorted(keys(loader(load_tokens(encoded, "valid"), num_workers=3))) == ["valid-00000000", "valid-00000001"]


def test_a_stream_is_a_stage_of_webdataset_and_can_be_pickled(encoded: Path) -> None:
    import webdataset

    pairs = load_tokens(encoded, "train", shuffle=4, epoch=2)
    assert keys(pickle.loads(pickle.dumps(pairs))) == keys(pairs)
    chosen = pairs.compose(webdataset.select(_is_even))
    assert sorted(keys(chosen)) == TRAIN[::2]


def _is_even(pair: Any) -> bool:
    return int(pair["key"][-1]) % 2 == 0


def test_a_beginning_of_a_codecs_name_suffices(encoded: Path) -> None:
    (name,) = family_names(encoded)
    assert keys(load_tokens(encoded, "train", "mini")) == keys(load_tokens(encoded, "train", name)) == TRAIN


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, rmod_pipeline.reading.loader; print({'torch', 'webdataset'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


# What cannot be read.


def test_a_half_finished_split_is_refused_unless_that_is_wanted(copy: Path) -> None:
    Layout(copy).receipt("train-000001").unlink()
    with pytest.raises(
        ShardError, match=r"split train: 1 of 4 shards of audio are not made yet, train-000001 the first"
    ):
        load_audio(copy, "train")
    assert keys(load_audio(copy, "train", partial=True)) == TRAIN[:3] + TRAIN[6:]
    assert keys(load_audio(copy, "valid")) == ["valid-00000000", "valid-00000001"]
    assert keys(load_tokens(copy, "train")) == TRAIN
    shutil.rmtree(copy / "receipts" / AUDIO)
    with pytest.raises(ShardError, match="4 of 4 shards"):
        load_audio(copy, "train", partial=True)


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda out: load_tokens(out, "trian"), ShardError, r"no split 'trian' \(did you mean 'train'\?\)"),
        (lambda out: load_audio(out, "test"), ShardError, r"split test: no pairs in it\n.*--pairs test=100"),
        (
            lambda out: load_tokens(out, "train", "maxi"),
            ShardError,
            r"no tokens of maxi; there are mini-[0-9a-f]{8}",
        ),
        (lambda out: load_tokens(out, "train", sounds=["kik"]), UsageError, r"sound kik: .*'kick'"),
        (lambda out: load_audio(out, "train", sounds=["stem-kick"]), UsageError, "there are mix, kick, snare"),
        (lambda out: load_tokens(out, "train", nodes=(2, 2)), UsageError, "rank 2 of 2"),
        (lambda out: load_tokens(out, "train", shuffle=-1), UsageError, "-1 pairs"),
        (lambda out: load_tokens(out, "valid", nodes=(0, 3)), ShardError, "2 pairs for 3 ranks\n.*resampled=True"),
        (lambda out: load_tokens(out / "none", "train"), ShardError, "no data set here"),
        (lambda out: load_audio(out / "none", "train"), ShardError, "no data set here"),
    ],
)
def test_what_is_not_there_is_named(
    encoded: Path, ask: Callable[[Path], object], error: type[RmodError], said: str
) -> None:
    with pytest.raises(error, match=said):
        ask(encoded)


def test_of_several_families_one_must_be_named(copy: Path) -> None:
    (name,) = family_names(copy)
    for part in ("tokens", "receipts/tokens"):
        shutil.copytree(copy / part / name, copy / part / "mini-00000000")
    with pytest.raises(ShardError, match=rf"2 families of tokens: mini-00000000, {name}\n.*codec=NAME"):
        load_tokens(copy, "train")
    with pytest.raises(ShardError, match="2 families of tokens begin with mini: "):
        load_tokens(copy, "train", "mini")
    assert keys(load_tokens(copy, "train", name)) == TRAIN
    # Tokens that another codec made do not pass for this one's.
    path = Layout(copy).codec("tokens/mini-00000000")
    path.write_bytes(path.read_bytes().replace(name.encode(), b"mini-00000000"))
    with pytest.raises(ShardError, match="the receipt of another data set, or of other tokens"):
        load_tokens(copy, "train", "mini-00000000")


def test_without_tokens_or_without_sound_it_is_said_how_to_make_or_read_them(copy: Path) -> None:
    shutil.rmtree(copy / "tokens")
    with pytest.raises(ShardError, match=r"no tokens here\n.*rmod encode"):
        load_tokens(copy, "train")
    said = json.loads((copy / "build.json").read_bytes())
    (copy / "build.json").write_text(json.dumps({**said, "audio": False}))
    with pytest.raises(ShardError, match=r"keeps no sound\n.*read_tokens"):
        load_audio(copy, "train")


def rewrite(out: Path, change: Callable[[str, dict[str, bytes]], dict[str, bytes] | None]) -> None:
    """Change the pairs of the first tar of tokens, and let its receipt vouch for the result."""
    (name,) = family_names(out)
    layout, family = Layout(out), f"tokens/{name}"
    tar, receipt = layout.tar("train-000000", family), layout.receipt("train-000000", family)
    pairs = list(read_tar(tar))
    with TarWriter(tar) as writer:
        for key, members in pairs:
            changed = change(key, members)
            if changed is not None:
                writer.add(key, changed)
    said = json.loads(receipt.read_bytes())
    said["files"][0]["bytes"] = tar.stat().st_size
    receipt.write_text(json.dumps(said))


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


def _objects() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([_Trap()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def test_no_pickle_is_ever_opened(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trap = pickle.dumps(_Trap())
    rewrite(copy, lambda _, members: {**dict.fromkeys(("pyd", "pickle", "mix.pth", "cbor"), trap), **members})
    assert keys(load_tokens(copy, "train")) == TRAIN
    rewrite(copy, lambda _, members: {**members, "mix.npy": _objects()})
    with pytest.raises(ShardError, match=r"train-00000000\.mix\.npy: not tokens: Object arrays cannot be loaded"):
        list(load_tokens(copy, "train"))
    assert not (tmp_path / "trapped").exists()
    pickle.loads(trap)
    assert (tmp_path / "trapped").exists(), "the trap does not snap, so it proves nothing"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda key, members: None if key == TRAIN[2] else members, "not the 3 pairs that its receipt tells of"),
        (lambda key, members: {name: data for name, data in members.items() if name != "kick.npy"}, "has no kick.npy"),
        (lambda key, members: {**members, "json": b"{}"}, "train-00000000.json does not describe tokens"),
        (
            lambda key, members: {**members, "json": b'{"tokens":{"frames":{"mix":99}}}'},
            "does not tell the frames of mix",
        ),
        (lambda key, members: {**members, "mix.npy": members["kick.npy"]}, r"\[9, 90\] .* says \[9, 44\] below 1024"),
        (
            lambda key, members: {**members, "mix.npy": encode_codes(np.full((9, 44), 1024, np.uint16))},
            "codes up to 1024",
        ),
        (lambda key, members: {**members, "mix.npy": b"no array"}, "mix.npy: not tokens"),
    ],
)
def test_a_shard_that_does_not_hold_what_it_should_is_named(
    copy: Path, change: Callable[[str, dict[str, bytes]], dict[str, bytes] | None], said: str
) -> None:
    rewrite(copy, change)
    with pytest.raises(ShardError, match=said):
        list(load_tokens(copy, "train"))


def test_a_shard_that_is_cut_or_gone_is_named(copy: Path) -> None:
    tar = Layout(copy).tar("train-000001")
    tar.write_bytes(tar.read_bytes()[:5000])
    pairs = iter(load_audio(copy, "train"))
    assert keys(islice(pairs, 3)) == TRAIN[:3]
    with pytest.raises(ShardError, match=r"train-000001\.tar: 5000 bytes, its receipt says"):
        next(pairs)
    tar.unlink()
    with pytest.raises(ShardError, match=r"train-000001\.tar: cannot be read"):
        list(load_audio(copy, "train"))


def test_a_sound_that_is_none_is_named(copy: Path) -> None:
    tar = Layout(copy).tar("train-000000")
    with tarfile.open(tar) as file:
        start = file.getmember("train-00000000.mix.wav").offset_data
    data = bytearray(tar.read_bytes())
    data[start : start + 12] = b"no sound at "
    tar.write_bytes(data)
    with pytest.raises(ShardError, match=r"train-00000000\.mix\.wav: not a sound"):
        list(load_audio(copy, "train"))
