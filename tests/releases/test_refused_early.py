"""What is known before the work is refused before it, and a target that is taken meanwhile is named."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.releases import make
from rmod_pipeline.releases.card.text import _read
from rmod_pipeline.releases.figures import check_matplotlib
from rmod_pipeline.releases.folder import signature
from rmod_pipeline.releases.folder.check import _check_content
from rmod_pipeline.releases.folder.checksums import _digest
from rmod_pipeline.releases.options import LONGEST_LINE
from tests.releases.conftest import make_release


@pytest.mark.parametrize("inside", ["file", ""], ids=["filled", "a file"])
def test_a_target_that_is_taken_meanwhile_is_named(
    inside: str, tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is made by another program between the last look and the move."""
    target, rename = tmp_path / "to", Path.rename

    def take_and_rename(self: Path, to: Path) -> Path:
        if inside:
            target.mkdir()
        (target / inside).write_text("of another program")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", take_and_rename)
    with pytest.raises(UsageError, match="exists by now"):
        make_release(tiny_built, target, "plain")
    assert (target / inside).read_text() == "of another program"
    assert [path.name for path in tmp_path.iterdir()] == ["to"]


@pytest.mark.parametrize(
    ("options", "found"), [({"title": "x"}, "title"), ({"subtitle": "x"}, "subtitle"), ({"thresholds": "t"}, "no_key")]
)
def test_what_needs_no_facts_is_refused_before_the_data_is_read(
    options: dict[str, object], found: str, tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "_check_finished", lambda _out: pytest.fail("the data was read"))
    (tmp_path / "t.yaml").write_text("no_key: 1\n")
    given = {name: tmp_path / "t.yaml" if name == "thresholds" else value for name, value in options.items()}
    with pytest.raises(RmodError, match=found):
        make_release(tiny_built, tmp_path / "to", "kaggle", **given)


def test_a_target_that_fits_nowhere_is_refused(
    tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(UsageError, match=r"about 0\.\d GB needed, 0\.0 GB free"):
        make_release(tiny_built, tmp_path / "to", "plain")


@pytest.mark.parametrize("kind", [Path.mkdir, Path.symlink_to])
def test_a_target_that_was_made_meanwhile_is_not_replaced(kind: object, tmp_path: Path) -> None:
    """By another program, between the check and the end of the work."""
    staging, target = tmp_path / "staging", tmp_path / "to"
    staging.mkdir()
    target.mkdir() if kind is Path.mkdir else target.symlink_to("nowhere")
    with pytest.raises(UsageError, match="exists by now"):
        make._publish(staging, target)
    assert staging.is_dir()


def test_a_fault_that_is_not_the_disk_is_not_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectionResetError), make._staging_folder(tmp_path / "to"):
        raise ConnectionResetError(104, "Connection reset by peer")
    assert not list(tmp_path.iterdir())

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Input/output error"):
        make._publish(tmp_path / "staging", tmp_path / "to")


def test_a_line_that_is_too_long_is_refused(tiny_built: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"give at most {LONGEST_LINE}"):
        make_release(tiny_built, tmp_path / "to", "plain", title="x" * (LONGEST_LINE + 1))


def test_what_a_release_needs_and_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="matplotlib: is not installed"):
        check_matplotlib()
    (tmp_path / "key.pem").touch()
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(UsageError, match="cryptography is not installed"):
        signature._load(tmp_path / "key.pem", b"", "", private=True)


def test_a_file_that_is_no_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_bytes(b" " * 200_000)
    with pytest.raises(UsageError, match="is too large for a key"):
        signature.open_public_key(path)
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(X25519PrivateKey.generate().public_key().public_bytes(encoding, form))
    with pytest.raises(UsageError, match="is not an Ed25519 key"):
        signature.open_public_key(path)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        signature.open_public_key(path)


def test_a_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_bytes(b"caf\xe9")
    for name, found in (("card.md", "not a text in UTF-8"), ("none.md", "No such file")):
        with pytest.raises(UsageError, match=found):
            _read(tmp_path / name)


def test_a_release_whose_papers_are_none_has_a_finding(on_hub: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(on_hub, tmp_path / "copy"))
    assert not list(_check_content(folder))
    index = min((folder / "index").glob("*.parquet"))
    index.write_bytes(b"damaged")
    assert [finding.about for finding in _check_content(folder)] == [str(index)]
    (folder / "release.json").write_text("{}")
    (finding,) = _check_content(folder)
    assert "its papers are not those of a release: KeyError" in finding.found


def test_a_file_that_cannot_be_read_has_no_checksum(tmp_path: Path) -> None:
    assert _digest(tmp_path / "none") == ""
