"""Whatever a disk answers, a writer raises an error with file, reason and remedy, and leaves nothing half-written."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.storage import writing
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.process_identity import has_ended, machine_id
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import (
    check_writable_file,
    check_writable_folder,
    report_unwritable,
    temporary_file,
    write_text,
)
from tests.tiny_build import wait_until

ERRNOS = ("EROFS", "EACCES", "ENOSPC", "EDQUOT", "EIO", "ENOTDIR", "ENAMETOOLONG")
CALLS = ("open", "write", "fsync", "replace")

Patch = pytest.MonkeyPatch
Writer = Callable[[Path, Patch], object]


def _write_csv(path: Path, _patch: Patch) -> None:
    from rmod_pipeline.library.manifest import write_csv_rows

    write_csv_rows(path, ("a", "b"), [("1", "2")])


def _write_preview(path: Path, patch: Patch) -> None:
    from rmod_pipeline.pages import preview

    patch.setattr(preview, "preview_html", lambda *_, **__: "<html>")
    preview.write_preview([], path, "title")


def _write_extraction_page(path: Path, patch: Patch) -> None:
    from rmod_pipeline.pages import extraction

    patch.setattr(extraction, "extraction_html", lambda _extraction: "<html>")
    patch.setattr(extraction, "PAGE", path.name)
    patch.setattr(extraction, "check_page", lambda _out: None)
    extraction.write_page(SimpleNamespace(), path.parent)  # type: ignore[arg-type]


def _write_schema(path: Path, _patch: Patch) -> None:
    from rmod_pipeline.cli.groups.recipe import schema

    schema(path)


def _write_evaluation(path: Path, _patch: Patch) -> None:
    from rmod_pipeline.cli.evaluate import _write

    _write(SimpleNamespace(to_dict=dict, items=tuple), path)  # type: ignore[arg-type]


def _write_decoded(path: Path, patch: Patch) -> None:
    from rmod_pipeline.reading import decoding

    codec = SimpleNamespace(identity=SimpleNamespace(sample_rate=8000))
    patch.setattr(decoding, "open_decoder", lambda *_: (codec, None))
    patch.setattr(decoding, "decode_pair", lambda *_: {"mix": _Audio()})
    patch.setattr(decoding, "to_pcm", lambda audio: audio)
    patch.setattr(decoding, "encode_audio", lambda *_: b"audio")
    patch.setattr(decoding, "check_writable_folder", lambda _folder: None)
    decoding.write_decoded(path.parent, path.name.partition(".")[0], path.parent, None, "cpu")


class _Audio:
    def __getitem__(self, _index: object) -> _Audio:
        return self


def _write_small_file(path: Path, _patch: Patch) -> None:
    with report_unwritable(path):
        publish_bytes(b"content", path, path.parent)


WRITERS: dict[str, tuple[str, Writer]] = {
    "manifest": ("library.csv", _write_csv),
    "preview": ("preview.html", _write_preview),
    "extraction": ("extraction.html", _write_extraction_page),
    "schema": ("schema.json", _write_schema),
    "evaluation": ("losses.json", _write_evaluation),
    "decoded": ("key.mix.wav", _write_decoded),
    "small": ("small.json", _write_small_file),
}


def fail(patch: Patch, call: str, code: int, folder: Path) -> None:
    """Let one kind of call fail for the files of a folder."""
    error = OSError(code, os.strerror(code))
    real_open = io.open

    def open_file(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        is_ours = isinstance(file, str | Path) and str(file).startswith(str(folder))
        writes = not mode.startswith("r")
        if call == "open" and is_ours and writes:
            raise error
        opened = real_open(file, mode, *args, **kwargs)
        if call == "write" and is_ours and writes:
            opened.close()
            return _broken(error)
        return opened

    def raise_error(*_: Any, **__: Any) -> None:
        raise error

    patch.setattr(io, "open", open_file)
    if call == "fsync":
        patch.setattr(os, "fsync", raise_error)
    if call == "replace":
        patch.setattr(os, "replace", raise_error)


def _broken(error: OSError) -> Any:
    class Broken:
        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def write(self, _content: object) -> int:
            raise error

    return Broken()


@pytest.mark.parametrize("cleanup_fails", [False, True])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_reports_the_first_error(
    name: str, call: str, cleanup_fails: bool, tmp_path: Path, monkeypatch: Patch
) -> None:
    file, write = WRITERS[name]
    path = tmp_path / file
    path.write_bytes(b"earlier")
    for code_name in ERRNOS:
        code = getattr(errno, code_name)
        with monkeypatch.context() as patch:
            fail(patch, call, code, tmp_path)
            if cleanup_fails:
                patch.setattr(os, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EIO, "clean-up")))
            with pytest.raises(RmodError) as caught:
                write(path, patch)
        assert str(path) in caught.value.about
        assert os.strerror(code) in caught.value.found
        assert "clean-up" not in str(caught.value)
        assert caught.value.hint
        assert path.read_bytes() == b"earlier", "an existing file stays as it was"
        if not cleanup_fails:
            assert list(tmp_path.iterdir()) == [path], "nothing is left behind"


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_refuses_a_folder_in_place_of_its_file(name: str, tmp_path: Path, monkeypatch: Patch) -> None:
    file, write = WRITERS[name]
    (tmp_path / file).mkdir()
    with pytest.raises(RmodError, match="cannot be written"):
        write(tmp_path / file, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_refuses_a_file_in_place_of_its_folder(name: str, tmp_path: Path, monkeypatch: Patch) -> None:
    file, write = WRITERS[name]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RmodError, match="cannot be written"):
        write(tmp_path / "file" / file, monkeypatch)


def test_a_failed_clean_up_hides_no_error(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EROFS, "read-only")))
    with pytest.raises(ValueError, match="first"), temporary_file(tmp_path / "x"):
        raise ValueError("first")


def test_write_text_keeps_links_and_writes_to_devices(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)  # broken until it is written
    write_text(link, "é\n")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "é\n"
    write_text(Path(os.devnull), "x")


def test_a_full_device_is_reported() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(UsageError, match="free space, or"), report_unwritable("/dev/full"):
        write_text(Path("/dev/full"), "x")


@pytest.mark.parametrize("code_name", ERRNOS)
def test_a_target_is_checked_before_the_work(code_name: str, tmp_path: Path, monkeypatch: Patch) -> None:
    code = getattr(errno, code_name)
    check_writable_folder(tmp_path / "new" / "folder")
    check_writable_file(tmp_path / "new.json")
    assert not list(tmp_path.iterdir()), "a check makes nothing"
    fail(monkeypatch, "open", code, tmp_path)
    for check in (check_writable_folder, check_writable_file):
        with pytest.raises(UsageError, match="new") as caught:
            check(tmp_path / "new")
        assert os.strerror(code) in caught.value.found


@pytest.mark.parametrize("check", [check_writable_folder, check_writable_file])
def test_a_name_that_no_disk_takes_is_refused(check: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / ("x" * 300), tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be written"):
            check(path)


def test_a_device_is_written_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "temporary_file", lambda _: pytest.fail("a file beside the device"))
    check_writable_file(Path("/dev/null"))


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        require_file(tmp_path / "a", "")


def test_a_process_of_another_user_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.kill", refuse)
    assert not has_ended(machine_id(), 1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the state of a process is read from /proc")
def test_a_killed_process_has_ended_before_its_parent_collects_it(tmp_path: Path) -> None:
    # A program's name may contain what follows the name in the line of its state.
    program = tmp_path / "a) R (b"
    program.symlink_to(sys.executable)
    process = subprocess.Popen([program, "-S", "-c", "import time; time.sleep(600)"])
    assert not has_ended(machine_id(), process.pid)
    process.kill()
    assert wait_until(lambda: has_ended(machine_id(), process.pid)), "it waits for its parent"
    assert process.wait() == -signal.SIGKILL
