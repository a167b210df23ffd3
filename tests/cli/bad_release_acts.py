"""What the cases of `bad_releases.py` do to a world."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rmod_pipeline import api
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.storage.publish import file_digest
from tests.cli.bad_input_world import Arguments, World, text_file
from tests.cli.bad_tokens import encoded
from tests.inspection.report.planted import build, plant_leak
from tests.tiny_build import make_job, make_library, on_disk

Act = Callable[[World], Arguments]
Row = dict[str, str]

UNKNOWN = ("--allow-licence", "unknown")
FEW = ("--sample", 2)


@functools.cache
def _shared_release() -> tempfile.TemporaryDirectory[str]:
    """Build the small data set, and release it signed, once; the folder ends with the process."""
    folder = tempfile.TemporaryDirectory(prefix="rmod-release-")
    world = World(Path(folder.name))
    make_library(world.library.parent)
    world.built()
    write_keys(world.folder)
    key, allowed = world / "release.pem", ["unknown"]
    api.release(world.out, to=world / "signed", key=key, allow_licences=allowed, sample=2, progress=False)
    return folder


def released(world: World) -> World:
    """Put the finished data set, its signed release and the keys into a world."""
    shutil.copytree(_shared_release().name, world.folder, dirs_exist_ok=True)
    return world


def write_keys(folder: Path) -> None:
    """Write the key of the publisher, that of somebody else, and one with a passphrase."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked = serialization.BestAvailableEncryption(b"secret")
    for name, lock in (("release", None), ("other", None), ("locked", locked)):
        key = Ed25519PrivateKey.from_private_bytes(name.ljust(32).encode())
        private = key.private_bytes(encoding, form, lock or serialization.NoEncryption())
        (folder / f"{name}.pem").write_bytes(private)
        public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)


def built_under(world: World, licence: Callable[[Row], str], pairs: int = 3, seed: int = 0) -> World:
    """Build a data set of sounds under other licences."""
    world.manifest(lambda rows: [row.update(licence=licence(row)) for row in rows])
    job = make_job(world.library, world.out, counts={"train": pairs}, seed=seed)
    run_build(job, local_executor(1), BuildProgress())
    return world


def release(world: World, *options: object) -> Arguments:
    to = () if "--to" in options else ("--to", world / "release")
    return ["release", world.out, *to, *FEW, *options]


def releasing(*options: object, allowed: tuple[str, ...] = UNKNOWN) -> Act:
    """Release the finished data set; a path among the options is relative to the world."""

    def act(world: World) -> Arguments:
        given = [world / str(each) if isinstance(each, Path) else each for each in options]
        return release(released(world), *allowed, *given)

    return act


def for_site(name: str, *options: object) -> Act:
    return releasing("--format", name, "--owner", "me", *options)


def report(world: World, *options: object) -> Arguments:
    return ["report", world.out, *FEW, *options]


def reporting(*options: object) -> Act:
    def act(world: World) -> Arguments:
        given = [world / str(each) if isinstance(each, Path) else each for each in options]
        return report(released(world), *given)

    return act


def with_text(act: Act, name: str, text: str = "this is in the way") -> Act:
    """Write a file first."""

    def write(world: World) -> Arguments:
        text_file(world / name, text)
        return act(world)

    return write


def verify(world: World, *options: object) -> Arguments:
    given = [world / str(each) if isinstance(each, Path) else each for each in options]
    return ["release", "verify", world / "signed", *given]


def unfinished(command: Callable[..., Arguments], *options: object) -> Act:
    def act(world: World) -> Arguments:
        on_disk(Layout(released(world).out).receipt("train-000001")).unlink()
        return command(world, *options)

    return act


def unfinished_tokens(world: World) -> Arguments:
    encoded(released(world))
    on_disk(Layout(world.out).receipt("train-000001", f"tokens/{family_names(world.out)[0]}")).unlink()
    return release(world, *UNKNOWN)


def damaged(command: Callable[..., Arguments], *options: object) -> Act:
    def act(world: World) -> Arguments:
        tar = released(world).out / "audio" / "train-000001.tar"
        tar.write_bytes(tar.read_bytes()[:20_000])
        return command(world, *options)

    return act


def sound_in_two_splits(world: World) -> Arguments:
    build(plant_leak(world.library), world.out, {"train": 10, "valid": 6})
    return release(world, *UNKNOWN)


def no_commercial_use(world: World) -> Arguments:
    return release(built_under(world, lambda row: "CC-BY-NC-4.0" if row["kind"] == "kick" else "CC0-1.0"))


def two_licences_of_a_file(world: World) -> Arguments:
    first, second = world.sound("kick/train-0.wav"), world.sound("kick/train-1.wav")
    shutil.copy(first, second)
    sha256 = file_digest(first)
    world.manifest(lambda rows: [row.update(sha256=sha256) for row in rows if row["id"] == "kick/train-1"])
    return release(built_under(world, lambda row: "MIT" if row["id"] == "kick/train-1" else "CC0-1.0", pairs=8))


def contradiction(world: World) -> Arguments:
    bound = {"kick/train-0": "GPL-2.0-only", "snare/train-0": "CC-BY-SA-4.0"}
    built_under(world, lambda row: bound.get(row["id"], "CC0-1.0"), pairs=12)
    return release(world, "--licence-class", "share-alike")


def no_pair_of_a_class(world: World) -> Arguments:
    """Build one pair, which has a sound that asks for credit, though most sounds ask for nothing."""
    built_under(world, lambda row: row["licence"] or "CC0-1.0", pairs=1)
    return release(world, "--licence-class", "permissive")


def existing_target(world: World) -> Arguments:
    text_file(world / "release" / "notes.txt", "my own notes")
    return releasing()(world)


def build_under(licences: str, licence: Callable[[Row], str] | None = None) -> Act:
    def act(world: World) -> Arguments:
        if licence is not None:
            world.manifest(lambda rows: [row.update(licence=licence(row)) for row in rows])
        return world.build("--licences", licences, pairs="train=3")

    return act


def changed_release(world: World) -> Arguments:
    text_file(released(world) / "signed" / "CITATION.cff", "cite somebody else")
    return verify(world)


def added_file(world: World) -> Arguments:
    text_file(released(world) / "signed" / "audio" / "more.wav")
    return verify(world)


def changed_signature(world: World) -> Arguments:
    signature = released(world) / "signed" / "SHA256SUMS.sig"
    signature.write_bytes(bytes(64))
    return verify(world, "--key", Path("release.pub"))


def unsigned(world: World) -> Arguments:
    (released(world) / "signed" / "SHA256SUMS.sig").unlink()
    return verify(world, "--key", Path("release.pub"))


def verifying(*options: object) -> Act:
    return lambda world: verify(released(world), *options)


def verify_a_data_set(world: World) -> Arguments:
    return ["release", "verify", released(world).out]


def library_without_kicks(world: World) -> Arguments:
    text = released(world).library.read_text()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("kick/")]
    other = text_file(world / "library" / "other.csv", "".join(lines))
    return report(world, "--library", other)
