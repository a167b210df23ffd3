"""Make a library and a recipe so small that a data set is built in a second, and start and watch builds."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from rmod_pipeline.audio import gain_to_db, peak, rms
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import load_library, write_manifest
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.recipe.load import parse_recipe
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.process_identity import has_ended, machine_id

RATE = 22_050

PATIENCE_SECONDS = 300.0
"""Longest wait for another process. Only a failing test waits that long, however slow the machine is."""

RECIPE = """
name: tiny
sample_rate: 22050
seconds: 1.0
one_shots: {max_seconds: 0.3}
drums:
  kick:
    hits: [1, 2]
    inserts: [{effect: gain, gain_db: [-12, -6]}]
  snare:
    hits: [1, 3]
    inserts:
      - {effect: gain, gain_db: [-12, -6]}
      - {effect: pan, position: [0.3, 0.7]}
loops:
  bass:
    presence: 0.6
    semitones: 0
    seconds: {choice: [0.5, 1.0]}
    inserts: [{effect: level_gain, gain_db: [-18, -12]}]
master: [{effect: limiter, threshold_db: [-3, -1], release_ms: 50}]
"""

HANG_ONCE = """
import os, time
try:
    import rmod_pipeline.shards.writer as writer
except ImportError:
    writer = None
if writer:
    add = writer.ShardWriter.add
    def hang(self, pair):
        if pair.spec.key == "train-00000004" and not os.path.exists(os.environ["HANG_ONCE"]):
            open(os.environ["HANG_ONCE"], "w").close()
            while True:
                time.sleep(1)
        return add(self, pair)
    writer.ShardWriter.add = hang
"""
"""A `sitecustomize` that makes the fifth pair hang for ever, once. HANG_ONCE is the path of a file that marks it."""

SHORT_LIVED_ENCODER = """
import os
try:
    import rmod_pipeline.pipeline.executors.encoder_processes as encoders
except ImportError:
    encoders = None
if encoders:
    open_in_process = encoders.open_in_process
    def open_short_lived(choice, device):
        encode, batches = open_in_process(choice, device), []
        def fail_later(audio):
            batches.append(audio)
            if len(batches) > int(os.environ["ENCODER_BATCHES"]):
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            return encode(audio)
        return fail_later
    encoders.open_in_process = open_short_lived
"""
"""A `sitecustomize` that makes every encoder fail after ENCODER_BATCHES batches."""


def write_sitecustomize(folder: Path, code: str) -> str:
    """Write code that processes run when they start, and return the PYTHONPATH that makes them do so."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


SPLITS = {"train": 3, "valid": 2, "test": 2}
"""Number of sounds of each kind by split."""


def make_library(folder: Path) -> Path:
    """Write sounds of three kinds for all splits, and return their manifest."""
    rng = np.random.default_rng(0)
    assets = [
        _make_sound(folder, kind, split, number, rng)
        for kind in ("kick", "snare", "bass")
        for split, count in SPLITS.items()
        for number in range(count)
    ]
    manifest = folder / "library.csv"
    write_manifest(manifest, assets)
    return manifest


def _make_sound(folder: Path, kind: str, split: str, number: int, rng: np.random.Generator) -> Asset:
    frames = RATE if kind == "bass" else RATE // 5
    decay = np.exp(-np.arange(frames) / (frames / 4))
    audio = (rng.normal(size=frames) * decay * 0.2).clip(-1, 1).astype(np.float32)[None]
    audio[0, 0] = 0.5
    path = f"{kind}/{split}-{number}.wav"
    (folder / kind).mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / path, audio.T, RATE, subtype="PCM_16")
    return Asset(
        id=path.removesuffix(".wav"),
        path=path,
        kind=kind,
        kit=f"{split} kit",
        group=f"{split}-{number}-{kind}",
        split=split,
        licence=["CC0-1.0", "CC-BY-4.0", ""][number],
        source=f"recorded by {split} {number}",
        sha256=hashlib.sha256((folder / path).read_bytes()).hexdigest(),
        sample_rate=RATE,
        channels=1,
        frames=frames,
        peak_dbfs=gain_to_db(peak(audio)),
        rms_dbfs=gain_to_db(rms(audio)),
    )


def make_job(manifest: Path, out: Path, **changes: object) -> BuildJob:
    """Return a job of 10 + 2 pairs in shards of 3."""
    options: dict[str, object] = {
        "recipe": parse_recipe(RECIPE),
        "library": load_library(manifest),
        "seed": 0,
        "counts": {"train": 10, "valid": 2},
        "shard_size": 3,
        "engine": "fused",
        "audio_format": "wav",
        "stems": False,
        "out": out,
        "cache": Path(os.environ["RMOD_CACHE"]) / "prepared",
        "cache_bytes": 2**30,
    }
    return BuildJob(**{**options, **changes})  # type: ignore[arg-type]


def on_disk(location: Location) -> Path:
    """Return a location on disk as a path."""
    assert isinstance(location, Path), location
    return location


def reproducible_files(out: Path) -> dict[str, bytes]:
    """Return the files by name that are equal in equal builds: all except those of the log."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.relative_to(out).parts[0] != "log"}


def list_drafts(out: Path) -> list[str]:
    """Return the names of the unfinished files of a data set."""
    return [path.name for path in (out / "log" / "drafts").glob("*")]


def start_rmod(arguments: Sequence[object], **options: object) -> subprocess.Popen[str]:
    """Start `rmod` as the leader of a new process group, as a shell does."""
    command = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def child_processes(process: int) -> list[int]:
    """Return the ids of the processes that a process has started, and of those that they have started."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(line.split()[0]): int(line.split()[1]) for line in table.splitlines()}
    family = [process]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family[1:]


def have_ended(processes: Sequence[int]) -> bool:
    """Return whether all the processes have ended, by the rule by which a build takes over what they left."""
    return all(has_ended(machine_id(), process) for process in processes)


def command_line(process: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    except OSError:
        return ""


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait until a condition is true, and return whether it became true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
