"""A release: what is in the folder, what is refused before anything is written, what `verify` finds."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

import rmod_pipeline as rmod
from rmod_pipeline.cli import app
from rmod_pipeline.errors import RmodError, ShardError, UsageError
from rmod_pipeline.library.licences import terms_of
from rmod_pipeline.library.manifest import load_library, write_manifest
from rmod_pipeline.releases.catalogue import Plain
from rmod_pipeline.releases.folder.rebuild import rebuild_commands
from rmod_pipeline.shards.tar import read_tar
from tests.tiny_build import RECIPE

SCHEMA = Path(__file__).with_name("cff-1.2.0.schema.json")
"""The schema of the Citation File Format, from the package cffconvert 2.0.0."""


def release(data: Path, to: Path, **options: object) -> rmod.Release:
    """Release the small data set, some of whose sounds have no licence."""
    chosen: dict[str, object] = {"allow_licences": ["unknown"], "progress": False, **options}
    return rmod.release(data, to=to, **chosen)  # type: ignore[arg-type]


def write_keys(folder: Path, key: Ed25519PrivateKey) -> tuple[Path, Path]:
    """Write a key pair and return the paths of the private and the public key."""
    private, public = folder / "release.pem", folder / "release.pub"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_keys(tmp_path_factory.mktemp("keys"), Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, tiny_tokens: Path, keys: tuple[Path, Path]) -> Path:
    """A signed release. Not to be changed: a test that must, copies it."""
    folder = tmp_path_factory.mktemp("released") / "release"
    release(
        tiny_tokens,
        folder,
        key=keys[0],
        title="Drums: a <test> & more",
        creators=["Ann O'Nym", "a: lab"],
        date="2026-03-31",
        version="2.1.0",
        notes="- more kicks\n# fewer *snares*",
    )
    return folder


@pytest.fixture
def copied(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "copied"))


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_released_folder_is_a_data_set(released: Path, tiny_tokens: Path) -> None:
    original, copy = rmod.open_dataset(tiny_tokens), rmod.open_dataset(released)
    assert copy.keys() == original.keys()
    for first, second in zip(original.pairs("valid"), copy.pairs("valid"), strict=True):
        np.testing.assert_array_equal(first.mix, second.mix)
    assert rmod.verify(released, progress=False).ok


def test_sha256sum_agrees(released: Path) -> None:
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=released, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_openssl_accepts_the_signature(released: Path, keys: tuple[Path, Path]) -> None:
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(keys[1]), "-rawin"]
    words += ["-in", "SHA256SUMS", "-sigfile", "SHA256SUMS.sig"]
    result = subprocess.run(words, cwd=released, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_attribution_names_exactly_the_sounds_of_the_pairs(released: Path) -> None:
    rows = [row for row in rmod.open_dataset(released).index() if row["status"] == "pair"]
    used = {(source["id"], source["licence"], source["sha256"]) for row in rows for source in row["sources"]}
    with (released / "ATTRIBUTION.csv").open(encoding="utf-8", newline="") as file:
        named = [(row["file"], row["spdx"], row["sha256"]) for row in csv.DictReader(file)]
    assert set(named) == used
    assert len(named) == len(used)


def test_every_licence_of_the_whole_has_a_text(released: Path) -> None:
    description = json.loads((released / "release.json").read_bytes())
    assert description["licence"] == "CC-BY-4.0 AND CC0-1.0 AND LicenseRef-rmod-unknown"
    texts = {path.stem for path in (released / "LICENSES").iterdir()}
    assert texts == {"CC-BY-4.0", "CC0-1.0", "LicenseRef-rmod-unknown"}


def test_the_citation_is_valid_and_keeps_the_text(released: Path) -> None:
    content = yaml.load((released / "CITATION.cff").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_bytes())).validate(content)
    assert content["title"] == "Drums: a <test> & more"
    assert [author["name"] for author in content["authors"]] == ["Ann O'Nym", "a: lab"]
    assert content["date-released"] == "2026-03-31"


def test_the_changes_are_text_and_no_markup(released: Path) -> None:
    text = (released / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "a &lt;test&gt; &amp; more" in text
    assert "- more kicks\n- \\# fewer \\*snares\\*\n" in text


def test_the_same_data_and_options_give_the_same_bytes(tiny_built: Path, tmp_path: Path) -> None:
    first, second = release(tiny_built, tmp_path / "a" / "x"), release(tiny_built, tmp_path / "b" / "x")
    assert content_of(tmp_path / "a" / "x") == content_of(tmp_path / "b" / "x")
    assert first.version == second.version
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["x"]  # nothing is left beside it


def test_the_commands_of_the_page_build_the_same_data(tiny_built: Path, released: Path, tiny_manifest: Path) -> None:
    (command,) = rebuild_commands(tiny_built)
    assert command in (released / "REBUILD.md").read_text(encoding="utf-8")
    out = released.parent / "again"
    names = {"LIBRARY.csv": str(tiny_manifest), "OUT": str(out), "recipe.yaml": str(released / "recipe.yaml")}
    words = [names.get(word, word) for word in shlex.split(command)][1:]
    words[words.index("--pairs") + 1] = "train=10,valid=2"
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert (out / "build.json").read_bytes() == (tiny_built / "build.json").read_bytes()


def test_a_cut_holds_the_pairs_whose_sounds_all_belong_to_the_class(tiny_tokens: Path, tmp_path: Path) -> None:
    rows = [row for row in rmod.open_dataset(tiny_tokens).index() if row["status"] == "pair"]
    free = {
        row["key"]
        for row in rows
        if all(terms_of(licence).licence_class in ("permissive", "attribution") for licence in row["licences"])
    }
    assert 0 < len(free) < len(rows)
    cut = release(tiny_tokens, tmp_path / "cut", licence_class="attribution", allow_licences=[])
    whole = release(tiny_tokens, tmp_path / "whole")
    data = rmod.open_dataset(tmp_path / "cut")
    assert set(data.keys()) == free == {pair.key for pair in data.pairs()}
    assert sum(cut.pairs.values()) == len(free)
    assert set(data.licences()) <= {"CC0-1.0", "CC-BY-4.0"}
    assert cut.licence == "CC-BY-4.0 AND CC0-1.0"
    assert cut.version != whole.version
    assert rmod.verify_release(tmp_path / "cut", progress=False).ok
    original = rmod.open_dataset(tiny_tokens)
    for key in free:
        np.testing.assert_array_equal(data.pair(key).mix, original.pair(key).mix)


def test_a_source_that_is_filled_in_is_the_remedy_for_missing_credit(tiny_manifest: Path, tmp_path: Path) -> None:
    library, recipe = tmp_path / "library" / tiny_manifest.name, tmp_path / "tiny.yaml"
    shutil.copytree(tiny_manifest.parent, library.parent)
    recipe.write_text(RECIPE, encoding="utf-8")
    assets = load_library(tiny_manifest).assets

    def build(out: Path, source: str) -> Path:
        write_manifest(library, [replace(asset, source=source) for asset in assets])
        rmod.build(recipe, library=library, out=out, pairs="train=4", progress=False)
        return out

    with pytest.raises(UsageError, match=r"ask for credit.*\n  .*-1 \(CC-BY-4\.0\)") as caught:
        release(build(tmp_path / "first", ""), tmp_path / "to")
    assert caught.value.hint.startswith("fill the column source of the library for them and build again with another")
    release(build(tmp_path / "second", "freesound:1 by somebody"), tmp_path / "to")
    assert "somebody" in (tmp_path / "to" / "ATTRIBUTION.csv").read_text(encoding="utf-8")


def test_loose_files_are_the_members_of_the_tars(tiny_tokens: Path, tmp_path: Path) -> None:
    release(tiny_tokens, tmp_path / "loose", loose=True)
    for tar in sorted((tiny_tokens / "audio").glob("*.tar")):
        members = {f"{key}.{suffix}": data for key, files in read_tar(tar) for suffix, data in files.items()}
        assert content_of(tmp_path / "loose" / "audio" / tar.stem) == members
    assert not list((tmp_path / "loose" / "audio").glob("*.tar"))
    assert rmod.verify_release(tmp_path / "loose", progress=False).ok


def flip_a_byte(folder: Path) -> None:
    path = min((folder / "audio").glob("*.tar"))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def point_outside(folder: Path) -> None:
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  ../secret\n")


def link_a_file(folder: Path) -> None:
    (folder / "CHANGELOG.md").rename(folder.parent / "CHANGELOG.md")
    (folder / "CHANGELOG.md").symlink_to(folder.parent / "CHANGELOG.md")


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (flip_a_byte, "its checksum differs"),
    "a missing file": (lambda folder: (folder / "CITATION.cff").unlink(), "CITATION.cff: missing"),
    "an additional file": (lambda folder: (folder / "new.wav").write_bytes(b"x"), "new.wav: is not in SHA256SUMS"),
    "a link in place of a file": (link_a_file, "CHANGELOG.md: is not a plain file"),
    "a line that leaves the folder": (point_outside, "is not the checksum of a file of this folder"),
    "a folder that is a link": (lambda folder: (folder / "more").symlink_to("/"), "more: is not in SHA256SUMS"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_verify_finds_what_was_changed(name: str, copied: Path) -> None:
    change, message = TAMPERING[name]
    change(copied)
    result = CliRunner().invoke(app, ["release", "verify", str(copied)])
    assert result.exit_code == 1
    assert message in result.output


def test_verify_finds_papers_that_say_something_else(copied: Path) -> None:
    """Whoever changes a file and its checksum is found by the content, and in any case by the signature."""
    content = json.loads((copied / "release.json").read_bytes())
    (copied / "release.json").write_text(json.dumps({**content, "version": "2.1.0+00000000"}))
    attribution = (copied / "ATTRIBUTION.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (copied / "ATTRIBUTION.csv").write_text("".join(attribution[:-1]), encoding="utf-8")
    files = sorted(path for path in content_of(copied) if not path.startswith("SHA256SUMS"))
    sums = subprocess.run(["sha256sum", *files], cwd=copied, capture_output=True, text=True, check=True).stdout
    (copied / "SHA256SUMS").write_text(sums)
    found = [str(finding) for finding in rmod.verify_release(copied, progress=False).findings]
    assert [text.partition(":")[0] for text in found] == ["release.json", "ATTRIBUTION.csv"]


def test_only_the_key_of_the_publisher_fits(copied: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    assert rmod.verify_release(copied, key=keys[1], progress=False).ok
    assert rmod.verify_release(copied, key=keys[0], progress=False).ok  # a private key has its public key in it
    other = write_keys(tmp_path, Ed25519PrivateKey.from_private_bytes(bytes(32)))[1]
    result = CliRunner().invoke(app, ["release", "verify", str(copied), "--key", str(other)])
    assert result.exit_code == 1
    assert "is not the signature of SHA256SUMS by this key" in result.output
    (copied / "SHA256SUMS").write_bytes((copied / "SHA256SUMS").read_bytes() + b"\n")
    assert not rmod.verify_release(copied, key=keys[1], progress=False).ok
    (copied / "SHA256SUMS.sig").unlink()
    findings = rmod.verify_release(copied, key=keys[1], progress=False).findings
    assert "missing: the release is not signed" in str(findings[0])


def test_an_openssh_key_signs_too(tiny_built: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    private, public = tmp_path / "id_ed25519", tmp_path / "id_ed25519.pub"
    no_passphrase = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, no_passphrase)
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    )
    assert release(tiny_built, tmp_path / "release", key=private).signed
    assert rmod.verify_release(tmp_path / "release", key=public, progress=False).ok


def test_what_is_no_release_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no release here"):
        rmod.verify_release(tmp_path, progress=False)


def write_other_key(folder: Path) -> Path:
    path = folder / "ec.pem"
    key = generate_private_key(SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return path


def write_locked_key(folder: Path) -> Path:
    path = folder / "locked.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked = serialization.BestAvailableEncryption(b"secret")
    path.write_bytes(Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(encoding, form, locked))
    return path


def write_template(folder: Path) -> Path:
    path = folder / "card.md.j2"
    path.write_text("# {{ facts.no_such_fact }}\n", encoding="utf-8")
    return path


BAD_OPTIONS: dict[str, tuple[Callable[[Path], dict[str, object]], str]] = {
    "a format that there is not": (lambda _: {"format": "kagle"}, r"^format: unknown 'kagle' \(did you mean 'kaggle'"),
    "an existing target": (lambda folder: {"to": folder}, "exists already"),
    "a name with capitals": (lambda _: {"name": "My Drums"}, "^name: "),
    "a name that is a path": (lambda _: {"name": "../drums"}, "^name: "),
    "a version of words": (lambda _: {"version": "first"}, "^version: "),
    "a version with digits of its own": (lambda _: {"version": "1.0.0+12345678"}, "^version: "),
    "a day that is none": (lambda _: {"date": "2026-02-30"}, "^date: "),
    "a title of two lines": (lambda _: {"title": "one\ntwo"}, "^title: "),
    "an empty creator": (lambda _: {"creators": [""]}, "^creators: "),
    "a key that is no file": (lambda folder: {"key": folder / "none.pem"}, "no such file"),
    "a key that is a text": (lambda _: {"key": Path(__file__)}, "is not a key that can be read"),
    "a key of another kind": (lambda folder: {"key": write_other_key(folder)}, "is not a private Ed25519 key"),
    "a key with a passphrase": (lambda folder: {"key": write_locked_key(folder)}, "protected by a passphrase"),
    "texts that are no folder": (lambda folder: {"licence_texts": folder / "none"}, "^licence_texts: "),
    "a class that there is not": (lambda _: {"licence_class": "copyleft"}, "^licence_class: unknown 'copyleft'"),
    "a class without pairs": (
        lambda _: {"licence_class": "permissive", "allow_licences": []},
        "class permissive alone",
    ),
    "a licence that no sound has": (lambda _: {"allow_licences": ["MIT"]}, "^allow_licences: no sound is under 'MIT'"),
    "licences that are not allowed": (
        lambda _: {"allow_licences": []},
        r"unknown:\n    bass/train-2\n    kick",
    ),
    "a card with an unknown field": (lambda folder: {"template": write_template(folder)}, "no_such_fact"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_input_is_refused_before_anything_is_written(name: str, tiny_built: Path, tmp_path: Path) -> None:
    make, message = BAD_OPTIONS[name]
    options = make(tmp_path)
    before = content_of(tmp_path)
    with pytest.raises(UsageError, match=message):
        release(tiny_built, **{"to": tmp_path / "new" / "release", **options})  # type: ignore[arg-type]
    assert content_of(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_a_target_inside_the_data_set_is_refused(tiny_built: Path) -> None:
    with pytest.raises(UsageError, match="is inside the data set"):
        release(tiny_built, tiny_built / "release")


def remove_a_receipt(out: Path) -> None:
    min((out / "receipts" / "audio").glob("*.json")).unlink()


@pytest.mark.parametrize(
    ("damage", "message"), [(remove_a_receipt, "is not finished: 4 of 5 shards of audio"), (flip_a_byte, "rmod verify")]
)
def test_an_unfinished_or_damaged_build_is_refused(
    damage: Callable[[Path], None], message: str, tiny_built: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_built, tmp_path / "out")
    damage(tmp_path / "out")
    with pytest.raises(ShardError, match=message):
        release(tmp_path / "out", tmp_path / "release")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["stop", "full"])
def test_a_release_that_stops_leaves_nothing(
    error: BaseException, tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr(Plain, "write", stop)
    with pytest.raises((KeyboardInterrupt, RmodError)):
        release(tiny_built, tmp_path / "release")
    assert not list(tmp_path.iterdir())


def test_the_command_makes_and_verifies(tiny_built: Path, tmp_path: Path) -> None:
    """`rmod release OUT --to DIR` and `rmod release verify DIR` are one command, in any order of words."""
    runner, to = CliRunner(), str(tmp_path / "release")
    made = runner.invoke(app, ["release", "--to", to, str(tiny_built), "--allow-licence", "unknown"])
    assert made.exit_code == 0, made.output
    assert f"Next: rmod release verify {to}" in made.output
    assert runner.invoke(app, ["release", "verify", to]).exit_code == 0
    assert "rmod release verify DIR" in runner.invoke(app, ["release", "--help"]).output
