"""Pack what benchmarks/gpu.py needs for a machine without a network: wheels, sounds, scripts; and say its size.

    python benchmarks/gpu_bundle.py --library lib.csv --have installed.txt --out BUNDLE

- wheels: rmod itself, and of the packages that it needs those which the file after --have does not list. That file is
  what `pip list` or `pip freeze` printed on the machine. Versions are those of requirements/lock.txt.
- library: sounds under licences that ask for nothing (--licences), mono FLAC at 44.1 kHz, taken evenly from all kinds
  and splits until the space is used. The splits stay, so a test kit is in no training; where a kind has no sounds left
  in one of them, its groups are distributed again.
- benchmarks: the script and its parts. models, test: a checkpoint to compare with, and a data set to evaluate on.

BUNDLE/README.md says how to run it there. Needs pip, and a network for wheels that are not in its cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import numpy as np
import soundfile
from gpu_parts.files import BUNDLE
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rmod_pipeline.audio import gain_to_db, peak, rms, to_channels
from rmod_pipeline.errors import LibraryError, RmodError, UsageError
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.licences import parse_licence_class, select_by_class
from rmod_pipeline.library.manifest import SPLITS, load_library, write_manifest
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.library.splits import SplitItem, assign_splits, parse_shares
from rmod_pipeline.storage.writing import check_writable_folder

ROOT = Path(__file__).resolve().parents[1]
MIB = 2**20
SAMPLE_RATE = 44_100
LONGEST_SECONDS = {"one-shot": 2.0, "loop": 8.0}
LOOPS = ("bass", "piano", "guitar", "vocal")
EXTRAS = ("codec", "train")
OWN = "rmod-pipeline"
WITHOUT_NEEDS = "descript-audio-codec"
"""Installed without the packages that it asks for: see requirements/lock-nodeps.txt."""

SCRIPTS = ("gpu.py", "codec_quality.py", "gpu_parts")
README = """# What a GPU machine makes of rmod

For {python} with torch installed. In this folder:

    python3 -m pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=site python3 benchmarks/gpu.py --part all --minutes 10 --out OUT

`--miniature --minutes 4` tries all parts first. OUT/gpu.md has the results. Checkpoints are in parts, and gpu.md has
the command that joins each. {contents}
"""


def main() -> int:
    options = parse()
    try:
        make_bundle(options)
    except RmodError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle; must not exist yet")
    parser.add_argument("--library", default="builtin", help="a manifest, or builtin")
    parser.add_argument("--licences", default="permissive", help="class of licences: permissive, attribution, ...")
    parser.add_argument("--have", type=Path, help="file with the packages that the machine has, one per line")
    parser.add_argument("--python", default="3.12", help="the machine's version of Python")
    parser.add_argument("--mib", type=float, default=64.0, help="the bundle must be smaller")
    parser.add_argument("--against", type=Path, action="append", default=[], help="a checkpoint to compare with")
    parser.add_argument("--test", type=Path, help="a data set with audio and tokens to evaluate on")
    parser.add_argument("--no-wheels", action="store_true", help="for a machine that has all packages and rmod")
    return parser.parse_args()


def make_bundle(options: argparse.Namespace) -> None:
    """Write all, the sounds last because they take the space that is left. Raises RmodError."""
    if options.out.exists():
        raise UsageError(f"--out {options.out}", "already exists", "choose another folder, or remove it")
    library = fill_splits(select_by_class(load_library(options.library), parse_licence_class(options.licences)))
    check_writable_folder(options.out)
    if not options.no_wheels:
        pack_wheels(options.out / "wheels", read_installed(options.have), options.python)
    copy_files(options)
    room = options.mib * MIB - measure_folder(options.out) - 0.1 * MIB
    chosen = pack_library(library, options.out / "library", room)
    write_list(options, chosen)
    total = measure_folder(options.out)
    print(f"{options.out}: {total / MIB:.1f} MiB of at most {options.mib:g}")
    for folder in sorted(path for path in options.out.iterdir() if path.is_dir()):
        print(f"    {folder.name}: {measure_folder(folder) / MIB:.1f} MiB, {sum(1 for _ in files_of(folder))} files")
    if total >= options.mib * MIB:
        raise UsageError(f"--mib {options.mib:g}", f"the bundle has {total / MIB:.1f} MiB", "list more after --have")


def read_installed(path: Path | None) -> frozenset[str]:
    """Return the names in what `pip list` or `pip freeze` printed. Raises UsageError."""
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--have {path}", f"cannot be read: {error}", "give a file that `pip list` wrote") from error
    found = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line) for line in lines)
    return frozenset(str(canonicalize_name(match[1])) for match in found if match)


def list_needed(installed: frozenset[str]) -> list[str]:
    """Return the packages that rmod needs for encoding and training and that are not installed, itself left out."""
    waiting, seen = [(OWN, extra) for extra in ("", *EXTRAS)], set[tuple[str, str]]()
    while waiting:
        name, extra = waiting.pop()
        # rmod itself comes with the bundle, even where another version of it is installed.
        if (name, extra) in seen or (name in installed and name != OWN):
            continue
        seen.add((name, extra))
        for needed in map(Requirement, _read_requirements(name)):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(str(canonicalize_name(needed.name)), each) for each in ("", *needed.extras)]
    return sorted(({name for name, _ in seen} | {WITHOUT_NEEDS}) - {OWN} - installed)


def _read_requirements(name: str) -> Iterable[str]:
    """Return what a package of this environment asks for; of rmod, what pyproject.toml says."""
    if name == OWN:
        import tomllib

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"]
        return [*project["dependencies"], *(f"{need}; extra == '{key}'" for key in EXTRAS for need in extras[key])]
    try:
        return requires(name) or []
    except PackageNotFoundError as error:
        raise UsageError(
            name, "is not installed here, so what it needs is not known", "run this in `make env`"
        ) from error


def read_locked() -> dict[str, str]:
    """Return the locked version of each package."""
    lines = [line for name in ("lock.txt", "lock-nodeps.txt") for line in _read_lines(ROOT / "requirements" / name)]
    pairs = (line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))
    return {str(canonicalize_name(name)): version.strip() for name, version in pairs}


def _read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def pack_wheels(folder: Path, installed: frozenset[str], python: str) -> None:
    """Build the wheel of rmod, and fetch the locked ones of what is missing. Raises UsageError with what pip says."""
    folder.mkdir(parents=True)
    locked, needed = read_locked(), list_needed(installed)
    _pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    platform = [
        word for glibc in ("2_28", "2_27", "2_24", "2_17", "2014", "2010", "1") for word in ("--platform", _tag(glibc))
    ]
    binary = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", *platform]
    for name in needed:
        requirement = f"{name}=={locked[name]}" if name in locked else name
        try:
            _pip("download", "--no-deps", "--dest", folder, *binary, requirement)
        except UsageError:
            # Some packages are published as source alone.
            _pip("wheel", "--no-deps", "--wheel-dir", folder, requirement)
    impure = [
        path.name for path in folder.glob("*.whl") if "none-any" not in path.name and "manylinux" not in path.name
    ]
    if impure:
        raise UsageError(", ".join(impure), "built here, for this machine alone", "list the package after --have")


def _tag(glibc: str) -> str:
    return f"manylinux{'_' if '_' in glibc else ''}{glibc}_x86_64"


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise UsageError(f"pip {words[0]} {words[-1]}", ran.stderr.strip()[-600:], "see whether pip has a network")


def copy_files(options: argparse.Namespace) -> None:
    """Copy the scripts, checkpoints and the data set. Raises UsageError for one that is not there."""
    for name in SCRIPTS:
        source, target = ROOT / "benchmarks" / name, options.out / "benchmarks" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    for path in options.against:
        if not path.is_file():
            raise UsageError(f"--against {path}", "there is no such file", "give a checkpoint")
        (options.out / "models").mkdir(exist_ok=True)
        shutil.copy2(path, options.out / "models" / path.name)
    if options.test is not None:
        if not (options.test / "build.json").is_file():
            raise UsageError(f"--test {options.test}", "there is no build.json in it", "give a data set")
        shutil.copytree(options.test, options.out / "test", ignore=shutil.ignore_patterns("log"))


def fill_splits(library: Library) -> Library:
    """Return the library with sounds of each kind in each split: groups of a kind that lacks one are split again."""
    existing = {(asset.kind, asset.split) for asset in library.assets}
    kinds = sorted({kind for kind, _ in existing if any((kind, split) not in existing for split in SPLITS)})
    if not kinds:
        return library
    items = [
        SplitItem(
            id=asset.id, kind=asset.kind, kit=asset.group, copies=asset.id,
            pinned="" if asset.kind in kinds else asset.split,
        )
        for asset in library.assets
    ]  # fmt: skip
    split = assign_splits(items, parse_shares("80/10/10")).split
    print(f"Split again, because the licences leave too few of them: {', '.join(kinds)}")
    return replace(library, assets=tuple(replace(asset, split=split[asset.id]) for asset in library.assets))


@dataclass(frozen=True, slots=True)
class PackedSound:
    """A sound as it goes into the bundle."""

    asset: Asset
    data: bytes


def pack_library(library: Library, folder: Path, room: float) -> list[Asset]:
    """Write sounds as FLAC until the room in bytes is used, evenly over kinds and splits. Raises LibraryError."""
    store, chosen, used = AudioStore(library, SAMPLE_RATE), list[Asset](), 0
    for asset in spread(library.assets):
        packed = pack_sound(asset, store)
        if used + len(packed.data) > room:
            break
        path = folder / packed.asset.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed.data)
        used += len(packed.data)
        chosen.append(packed.asset)
    kinds = {(asset.kind, asset.split) for asset in library.assets}
    missing = sorted(kinds - {(asset.kind, asset.split) for asset in chosen})
    if missing:
        found = f"no room for {', '.join(f'{kind} of {split}' for kind, split in missing)}"
        raise LibraryError(library.manifest, found, "give more --mib, or list more packages after --have")
    write_manifest(folder / "library.csv", chosen)
    return chosen


def spread(assets: Sequence[Asset]) -> Iterator[Asset]:
    """Yield the sounds of all kinds and splits in turn; within each, one of every kit before the second of any."""
    lanes: dict[tuple[str, str], list[Asset]] = defaultdict(list)
    for asset in assets:
        lanes[asset.kind, asset.split].append(asset)
    for lane in lanes.values():
        seen: dict[str, int] = defaultdict(int)
        order = {}
        for asset in lane:
            order[asset.id] = seen[asset.kit]
            seen[asset.kit] += 1
        lane.sort(key=lambda asset: (order[asset.id], hashlib.sha256(asset.id.encode()).digest()))
    longest = max(map(len, lanes.values()))
    # A lane of a hundred gives as many as one of ten until that is used up.
    for place in range(longest):
        yield from (lane[place] for lane in lanes.values() if place < len(lane))


def pack_sound(asset: Asset, store: AudioStore) -> PackedSound:
    """Return a sound as mono FLAC at 44.1 kHz, cut to the length that a recipe uses. Raises AssetError."""
    seconds = LONGEST_SECONDS["loop" if asset.kind in LOOPS else "one-shot"]
    audio = to_channels(store.read(asset.id), 1)[:, : round(seconds * SAMPLE_RATE)]
    with tempfile.NamedTemporaryFile(suffix=".flac") as file:
        soundfile.write(file.name, np.clip(audio[0], -1, 1), SAMPLE_RATE, subtype="PCM_16", format="FLAC")
        data = Path(file.name).read_bytes()
    stored = np.clip(audio, -1, 1)
    packed = replace(
        asset, path=f"{asset.kind}/{hashlib.sha256(asset.id.encode()).hexdigest()[:12]}.flac", sample_rate=SAMPLE_RATE,
        channels=1, frames=audio.shape[1], sha256=hashlib.sha256(data).hexdigest(),
        peak_dbfs=gain_to_db(peak(stored)), rms_dbfs=gain_to_db(rms(stored)),
    )  # fmt: skip
    return PackedSound(packed, data)


def write_list(options: argparse.Namespace, sounds: Sequence[Asset]) -> None:
    """Write README.md, and bundle.json with the size of every other file."""
    licences = ", ".join(sorted({sound.licence or "unknown" for sound in sounds}))
    contents = f"The {len(sounds)} sounds in library/ are under {licences}; library.csv names each one's source."
    text = README.format(python=f"Python {options.python}", contents=contents)
    (options.out / "README.md").write_text(text, encoding="utf-8")
    files = {path.relative_to(options.out).as_posix(): path.stat().st_size for path in files_of(options.out)}
    (options.out / BUNDLE).write_text(json.dumps({"files": files}, indent=1) + "\n", encoding="utf-8")


def files_of(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def measure_folder(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in files_of(folder))


if __name__ == "__main__":
    sys.exit(main())
