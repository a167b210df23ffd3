"""What a run is asked for, and the sizes of a full run and of one in miniature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import BuildError, CodecError, UsageError, nearest

PARTS: Mapping[str, float] = {"encode": 1.2, "build": 1.6, "codec": 2.0, "dose": 4.0}
"""The parts in their order, and the weight of each when several share the time."""

LEAST_SECONDS = 6.0
"""A part with less time than this measures nothing."""

WORK_MARK = "gpu-work.txt"
"""The file by which a working folder is known."""

FULL_SIZE = "full"
"""The codec that stands for a ``dac.DAC`` of full size with random weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure, with what, and where to write."""

    parts: tuple[str, ...]
    minutes: float
    out: Path
    work: Path
    """Folder for what the parts make and pass on to each other: data sets, sounds, checkpoints."""
    device: str
    """cpu or cuda."""
    library: str
    codecs: tuple[str, ...]
    """What is built; the tokens of the last one are what DOSE is trained on."""
    workers: int
    data: Path | None = None
    """A data set to train DOSE on, in place of the one that the part build leaves."""
    test: Path | None = None
    """A data set with audio and tokens to evaluate on, in place of the one that the part build leaves."""
    against: Path | None = None
    """A checkpoint to compare with on the same pairs."""
    miniature: bool = False

    @property
    def weights(self) -> Path:
        """The file of the codec ``full``."""
        return self.work / f"{FULL_SIZE}.pth"

    @property
    def token_codec(self) -> str:
        """The name or path of the codec whose tokens DOSE is trained on."""
        return str(self.weights) if self.codecs[-1] == FULL_SIZE else self.codecs[-1]

    @property
    def sizes(self) -> Sizes:
        """How much to measure."""
        return MINIATURE if self.miniature else Sizes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much to measure; the defaults are those of a full run."""

    dac: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the codec ``full``; none are the sizes of DAC itself."""
    sound_seconds: float = 4.0
    batches: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {"cpu": (1, 8), "cuda": (16, 64, 128, 256)})
    matrix: Mapping[str, int] = field(default_factory=lambda: {"cpu": 2048, "cuda": 8192})
    """Rows and columns of the matrices whose product is timed."""
    timed_seconds: float = 1.0
    compiles: bool = True
    recipe: str = "rmod"
    shard_size: int = 50
    train_pairs: int | None = None
    """Pairs to build to train on; None for as many as the time allows."""
    valid_pairs: int = 200
    test_pairs: int = 60
    reference_pairs: int = 64
    """Pairs beside the test pairs, of the train split: the simple systems that a model is compared with know these."""
    codec_changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Changes of the codec's recipe, by its part."""
    quality_sounds: int = 60
    """Sounds of each kind that a codec is measured on."""
    tries: int = 8
    """Sampled answers per mixture of an evaluation."""
    models: tuple[str, ...] = ("small", "paper")
    trial_steps: int = 30
    """Steps that measure the speed of a model, before the training that its time allows."""
    train_steps: int | None = None
    """Steps of the training; None for as many as the time allows."""


MINIATURE = Sizes(
    dac={"encoder_dim": 8, "latent_dim": 64, "decoder_dim": 48},
    sound_seconds=0.25,
    batches={"cpu": (1, 2), "cuda": (1, 2)},
    matrix={"cpu": 256, "cuda": 1024},
    timed_seconds=0.02,
    compiles=False,
    recipe="quick",
    shard_size=2,
    train_pairs=8,
    valid_pairs=4,
    test_pairs=3,
    reference_pairs=2,
    codec_changes={
        "sounds": {"mixes": {"quick": 2}, "held_out_mixes": 1, "crop_frames": 4096},
        "shape": {"encoder_width": 32, "encoder_blocks": 1, "decoder_width": 32, "decoder_blocks": 1,
                  "step_width": 16, "step_blocks": 1},
        "schedule": {"minutes": None, "steps": 2, "batch": 1, "warm_up_steps": 1, "fits": 1, "free": 0.9,
                     "settled": 0.95},
    },
    quality_sounds=2,
    tries=1,
    models=("tiny",),
    trial_steps=4,
    train_steps=6,
)  # fmt: skip
"""All parts in a minute of a CPU: the same code, and figures without meaning."""


def choose_parts(names: list[str]) -> tuple[str, ...]:
    """Return the parts to measure, in their order. Raises UsageError for a name that is none."""
    for name in names:
        if name != "all" and name not in PARTS:
            hint = f"choose {', '.join(PARTS)} or all"
            raise UsageError(f"--part {name}", f"there is no such part{nearest(name, PARTS)}", hint)
    return tuple(PARTS) if not names or "all" in names else tuple(part for part in PARTS if part in names)


def check_minutes(minutes: float, parts: tuple[str, ...]) -> None:
    """Raise UsageError if a part would get less time than it can measure anything in."""
    total = sum(PARTS[part] for part in parts)
    least = math.ceil(100 * max(LEAST_SECONDS * total / PARTS[part] for part in parts) / 60 - 1e-6) / 100
    if not minutes >= least:
        found = f"{minutes:g} is too small for {', '.join(parts)}"
        raise UsageError("--minutes", found, f"give at least {least:.2f}, or fewer parts")


def choose_device(name: str) -> str:
    """Return cpu or cuda. Raises UsageError for another name, and CodecError for a GPU that is not there."""
    from rmod_pipeline.codec.torch_support import require_torch

    require_torch(CodecError, "train")
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError("--device", f"unknown '{name}'", "choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        found = f"torch {torch.__version__} finds no GPU"
        hint = "see what `nvidia-smi` says, install a CUDA build of torch, or give --device cpu"
        raise UsageError("--device cuda", found, hint)
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def require_folder(option: str, path: Path | None, file: str, what: str) -> None:
    """Raise UsageError unless a folder that an option names holds a file; None is an option that is not given."""
    if path is not None and not (path / file).is_file():
        raise UsageError(f"{option} {path}", f"there is no {file} in it", f"give {what}")


def refuse_inside(option: str, path: Path | None, work: Path) -> None:
    """Raise UsageError if what an option names lies in the working folder, of which parts are removed."""
    if path is not None and path.resolve().is_relative_to(work):
        found = f"it lies in the working folder {work}, where a part may replace it"
        raise UsageError(f"{option} {path}", found, "copy it elsewhere, leave the option out, or give another --work")


def claim_work(work: Path) -> None:
    """Mark a new folder as the script's own. Raises UsageError for one that holds something else."""
    mark = work / WORK_MARK
    if work.exists() and not mark.is_file() and (not work.is_dir() or any(work.iterdir())):
        found = "not a working folder of this script, which removes what it made there before"
        raise UsageError(f"--work {work}", found, "give a new or an empty folder")
    work.mkdir(parents=True, exist_ok=True)
    mark.write_text("benchmarks/gpu.py keeps here what its parts make, and replaces it in its next run.\n", "utf-8")


def check_space(out: Path, work: Path, bytes_needed: float) -> None:
    """Raise BuildError if the disk of the working folder has too little room."""
    import shutil

    work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(work).free
    if free < bytes_needed:
        found = f"{free / 1e9:.1f} GB free, {bytes_needed / 1e9:.1f} GB needed"
        raise BuildError(work, found, f"free some space, or name another folder by --work; results go to {out}")
