"""The cache of prepared sounds: shared by several processes, limited in size, and without influence on the audio."""

from __future__ import annotations

import errno
import hashlib
import logging
import multiprocessing
import os
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio
from rmod_pipeline.render import prepared
from rmod_pipeline.render.prepared import DEFAULT_LIMIT, PreparedCache, shift_pitch
from tests.render.render_examples import RATE, noise
from tests.tiny_build import PATIENCE_SECONDS

SOUND = noise(2, RATE // 2)


def fail_if_called() -> Audio:
    raise AssertionError("computed again")


def make_filled_cache(folder: Path, limit: int = DEFAULT_LIMIT) -> tuple[PreparedCache, Path]:
    """Return a cache that holds one loop, and the file of the loop."""
    cache = PreparedCache(folder, limit)
    assert np.array_equal(cache.get("loop", lambda: SOUND), SOUND)
    (file,) = folder.glob("??/*.f32")
    return cache, file


def test_a_cached_loop_is_not_computed_again(tmp_path: Path) -> None:
    cache, _ = make_filled_cache(tmp_path)
    assert np.array_equal(cache.get("loop", fail_if_called), SOUND)
    assert np.array_equal(PreparedCache(tmp_path).get("loop", fail_if_called), SOUND)


def test_another_source_is_another_entry(tmp_path: Path) -> None:
    cache, _ = make_filled_cache(tmp_path)
    assert not np.array_equal(cache.get("another loop", lambda: SOUND[:, ::-1]), SOUND)
    assert len(list(tmp_path.glob("??/*.f32"))) == 2


@given(st.integers(1, 2), st.integers(1, 5000), st.integers(0, 2**31))
def test_a_sound_comes_back_bit_for_bit_and_read_only(
    tmp_path_factory: pytest.TempPathFactory, channels: int, frames: int, seed: int
) -> None:
    sound, cache = noise(channels, frames, seed=seed), PreparedCache(tmp_path_factory.getbasetemp() / "bits")
    for _ in range(2):
        found = cache.get(f"{channels} {frames} {seed}", lambda: sound)
        assert (found.dtype.name, found.tobytes()) == ("float32", sound.tobytes())
    assert not found.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1
    assert found.ctypes.data % 64 == 0


def test_a_file_that_is_removed_while_it_is_in_use_stays_readable(tmp_path: Path) -> None:
    _, file = make_filled_cache(tmp_path)
    mapped = PreparedCache(tmp_path).get("loop", fail_if_called)
    file.unlink()
    assert np.array_equal(mapped, SOUND)


def test_entries_of_other_versions_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, _ = make_filled_cache(tmp_path)
    versions = prepared._versions()
    assert any(version.startswith("librosa ") for version in versions)
    for index in range(len(versions)):
        changed = (*versions[:index], versions[index] + "1", *versions[index + 1 :])
        monkeypatch.setattr(prepared, "_versions", lambda changed=changed: changed)
        with pytest.raises(AssertionError, match="computed again"):
            cache.get("loop", fail_if_called)


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "zeros", "header", "text"])
def test_a_damaged_file_is_replaced(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, file = make_filled_cache(tmp_path)
    whole = file.read_bytes()
    flipped = bytes([whole[len(whole) // 2] ^ 1])
    broken = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "bit": whole[: len(whole) // 2] + flipped + whole[len(whole) // 2 + 1 :],
        "zeros": bytes(len(whole)),
        "header": whole[:4],
        "text": b"not an array at all",
    }
    file.write_bytes(broken[damage])
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(cache.get("loop", lambda: SOUND), SOUND)
    assert "damaged" in caplog.text
    assert file.read_bytes() == whole
    assert np.array_equal(cache.get("loop", fail_if_called), SOUND)


@pytest.mark.parametrize("maps", [True, False])
def test_a_checksum_is_compared_again_if_somebody_wrote_to_the_file(
    maps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only then, because comparing it takes most of a load."""
    _, file = make_filled_cache(tmp_path)
    minute_ago = time.time() - 60
    os.utime(file, (minute_ago, minute_ago))
    compared: list[Any] = []

    def compare(data: Any) -> int:
        compared.append(data)
        return crc32(data)

    monkeypatch.setattr(zlib, "crc32", compare)
    cache = PreparedCache(tmp_path, maps=maps)
    for _ in range(3):
        assert np.array_equal(cache.get("loop", fail_if_called), SOUND)
    assert len(compared) == 1
    copy = file.with_name("copy")
    copy.write_bytes(file.read_bytes())
    copy.replace(file)
    assert np.array_equal(cache.get("loop", fail_if_called), SOUND)
    assert len(compared) == 2
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    assert np.array_equal(cache.get("loop", lambda: SOUND), SOUND)
    assert len(compared) >= 3


def test_a_folder_that_cannot_be_written_only_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "a file"
    blocked.write_bytes(b"in the way")
    for folder in (blocked, blocked / "below"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert np.array_equal(PreparedCache(folder).get("loop", lambda: SOUND), SOUND)
        assert "cannot be written" in caplog.text


def test_a_folder_that_may_only_be_read_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache, _ = make_filled_cache(tmp_path)

    def refuse(path: Path, *_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    # The superuser may write everywhere, so the refusal is injected instead of taken from the mode of the folder.
    monkeypatch.setattr(os, "utime", refuse)
    for name in ("mkdir", "replace"):
        monkeypatch.setattr(Path, name, refuse)
    assert np.array_equal(cache.get("loop", fail_if_called), SOUND)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(cache.get("another", lambda: SOUND), SOUND)
    assert "cannot be written" in caplog.text


def _put(folder: Path, name: str, size: int, used: float) -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bytes(size))
    os.utime(file, (used, used))
    return file


def test_a_clean_up_keeps_the_most_recently_used_files(tmp_path: Path) -> None:
    files = [_put(tmp_path, f"{number:02x}/{number}.f32", 1000, 1e9 + number) for number in range(20)]
    orphan = _put(tmp_path, "00/.half.tmp", 1000, 1e9 - 1)
    PreparedCache(tmp_path, limit=10_000).clean_up()
    left = [file for file in files if file.exists()]
    assert left == files[-8:]  # 0.8 of the limit
    assert not orphan.exists()


def test_a_clean_up_within_the_limit_removes_nothing(tmp_path: Path) -> None:
    files = [_put(tmp_path, f"00/{number}.f32", 1000, 1e9 + number) for number in range(10)]
    PreparedCache(tmp_path, limit=10_000).clean_up()
    assert all(file.exists() for file in files)


@pytest.mark.parametrize("maps", [True, False])
def test_a_used_sound_is_kept(maps: bool, tmp_path: Path) -> None:
    _, file = make_filled_cache(tmp_path)
    os.utime(file, (1e9, 1e9))
    PreparedCache(tmp_path, maps=maps).get("loop", fail_if_called)
    younger = _put(tmp_path, "00/other.f32", file.stat().st_size // 2, 1e9 + 5)
    PreparedCache(tmp_path, limit=round(1.4 * file.stat().st_size)).clean_up()
    assert (file.exists(), younger.exists()) == (True, False)


@pytest.mark.parametrize("maps", [True, False])
def test_a_check_comes_before_every_sound_that_was_made_earlier(maps: bool, tmp_path: Path) -> None:
    cache, checks = PreparedCache(tmp_path, maps=maps), []
    for _ in range(3):
        found = cache.get("loop", lambda: SOUND, lambda: checks.append(1))
        assert np.array_equal(found, SOUND)
        assert not found.flags.writeable
    assert len(checks) == 2


def test_a_clean_up_leaves_what_another_process_is_writing(tmp_path: Path) -> None:
    _put(tmp_path, "00/0.f32", 1000, time.time())
    written = _put(tmp_path, "00/.half.tmp", 1000, time.time() - 60)
    PreparedCache(tmp_path, limit=10).clean_up()
    assert list(tmp_path.glob("??/*")) == [written]


def test_a_running_clean_up_is_not_waited_for(tmp_path: Path) -> None:
    file = _put(tmp_path, "00/0.f32", 1000, 1e9)
    with FileLock(tmp_path / "clean-up.lock"):
        PreparedCache(tmp_path, limit=10).clean_up()
    assert file.exists()
    PreparedCache(tmp_path, limit=10).clean_up()
    assert not file.exists()


def test_a_missing_folder_can_be_cleaned_up(tmp_path: Path) -> None:
    PreparedCache(tmp_path / "nowhere", limit=10).clean_up()


def test_writing_triggers_clean_ups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The hash in a file's name decides whether writing it cleans up, and it covers the processor and all versions.
    monkeypatch.setattr(prepared, "_versions", lambda: ("one processor", "one set of versions"))
    small = np.zeros((1, 250), np.float32)
    limit = 50 * 1200
    cache = PreparedCache(tmp_path, limit)
    most = 0
    for number in range(1000):
        cache.get(f"loop {number}", lambda: small)
        if number % 50 == 0:
            most = max(most, sum(file.stat().st_size for file in tmp_path.glob("??/*.f32")))
    # Looked at every 64th file on average, so it may be exceeded for a while.
    assert most < limit + 350 * 1200
    cache.clean_up()
    assert sum(file.stat().st_size for file in tmp_path.glob("??/*.f32")) <= limit


def _work(folder: Path, seed: int, answers: multiprocessing.Queue[dict[str, str]]) -> None:
    """Read the same loops as the other processes, in another order, while files are damaged and removed."""
    random = np.random.default_rng(seed)
    cache = PreparedCache(folder, limit=40_000)
    digest: dict[str, str] = {}
    for _ in range(40):
        number = int(random.integers(6))
        audio = cache.get(f"loop {number}", partial(noise, 1, 4410, seed=number))
        digest.setdefault(f"{number}", hashlib.sha256(audio.tobytes()).hexdigest())
        assert digest[f"{number}"] == hashlib.sha256(audio.tobytes()).hexdigest()
        if random.random() < 0.2:
            cache.clean_up()
        if random.random() < 0.1:
            for file in list(folder.glob("??/*.f32"))[:1]:
                # As a new file: one that is in use is mapped, and must not be written into.
                broken = file.with_name(f".{seed}.tmp")
                broken.write_bytes(b"broken")
                broken.replace(file)
    answers.put(digest)


def test_several_processes_share_a_folder_and_get_the_same_audio(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[dict[str, str]] = context.Queue()
    workers = [context.Process(target=_work, args=(tmp_path, seed, answers)) for seed in range(3)]
    for worker in workers:
        worker.start()
    digests = [answers.get(timeout=PATIENCE_SECONDS) for _ in workers]
    for worker in workers:
        worker.join(timeout=PATIENCE_SECONDS)
        assert worker.exitcode == 0
    assert len(digests[0]) == 6
    assert digests[0] == digests[1] == digests[2]
    for number, digest in digests[0].items():
        alone = noise(1, 4410, seed=int(number))
        assert hashlib.sha256(alone.tobytes()).hexdigest() == digest
    assert not list(tmp_path.glob("??/.*.tmp"))


def test_a_shift_of_0_returns_the_loop_itself() -> None:
    assert shift_pitch(SOUND, 0, RATE) is SOUND


@pytest.mark.parametrize("frames", [1, 2, 100, 2047])
@pytest.mark.parametrize("semitones", [-24, 24])
@pytest.mark.filterwarnings("ignore:n_fft=.* is too large")
def test_a_very_short_loop_is_shifted_too(frames: int, semitones: int) -> None:
    shifted = shift_pitch(noise(1, frames), semitones, RATE)
    assert shifted.shape == (1, frames)
    assert np.isfinite(shifted).all()
