"""Measure the quality of a codec on sounds of kits that `mini` was not trained on, beside simpler degradations.

    python benchmarks/codec_quality.py [--codec mini --codec other.pth] [--library builtin --library more.csv]
                                       [--pictures docs/images]

Prints tables for docs/lab/codec-quality.md: the distance of multi-resolution mel spectrograms (mean), the spectral
distance of `rmod evaluate` (mean), the scale-invariant signal-to-distortion ratio (median); how much of what tells
one-shots of a kind apart comes back, at full level and 12 dB below; and how evenly each codebook of the first codec is
used.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmod_pipeline.codec import Codec, Tokens, count_frames, fit_window, open_codec, target_frames
from rmod_pipeline.codec.checkpoint import new_network, serialize_codec_checkpoint
from rmod_pipeline.codec.spectral_distance import spectral_distance
from rmod_pipeline.codec.window import AudioWindow
from rmod_pipeline.ear.model import describe_levels
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.training.codec.losses import MelDistance, signal_to_distortion_db
from rmod_pipeline.training.codec.material import Material, prepare_material, to_float
from rmod_pipeline.training.codec.recipe import load_codec_recipe

WINDOWS, MELS = (32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320)
"""As in DAC's evaluation."""

FRAMES = 24
"""Frames of a description: 0.28 s."""
KINDS = ("mix", "kick", "snare", "hihat")
MOST = 60
"""Number of sounds measured per kind."""

Batch = NDArray[np.float32]
Way = Callable[[Batch], Batch]


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    recipe = load_codec_recipe("mini")
    libraries = [load_library(name) for name in options.library]
    codec, *others = [open_codec(name, device="cpu", batch=4) for name in options.codec]
    with tempfile.TemporaryDirectory() as folder:
        material = prepare_material(recipe, libraries, "test", options.material or Path(folder))
        windowed = {kind: windows(material, kind, codec) for kind in KINDS}
        sounds = {kind: np.stack([each.audio for each in windows]) for kind, windows in windowed.items()}
        lengths = {kind: [each.frames * codec.identity.hop for each in windows] for kind, windows in windowed.items()}
        untrained = open_codec(str(untrained_codec(Path(folder))), device="cpu", batch=4)
    print(f"{codec.name}: {', '.join(f'{len(batch)} x {kind}' for kind, batch in sounds.items())}\n")
    tokens = {kind: codec.encode(batch) for kind, batch in sounds.items()}
    made = {kind: codec.decode(each)[:, : sounds[kind].shape[1]] for kind, each in tokens.items()}
    cut = {kind: cut_to(batch, lengths[kind]) for kind, batch in made.items()}
    ways: dict[str, Mapping[str, Batch]] = {
        codec.name: cut,
        **{other.name: coded(other, sounds, lengths) for other in others},
        "at 16 kHz": apply_to_all(at_16_khz, sounds),
        "8-bit mu-law": apply_to_all(mu_law, sounds),
        "untrained codec": coded(untrained, sounds, lengths),
    }
    print_table(sounds, ways)
    softer = {kind: batch * np.float32(0.25) for kind, batch in sounds.items() if kind != "mix"}
    print_explained(
        sounds, {each.name: [coded(each, level, lengths) for level in (sounds, softer)] for each in (codec, *others)}
    )
    print_entropy(list(tokens.values()), codec.identity.codebook_size)
    if options.pictures:
        draw(sounds, ways, options.pictures)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec", action="append")
    parser.add_argument("--library", action="append")
    parser.add_argument("--material", type=Path, help="folder that keeps the rendered sounds")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.codec, options.library = options.codec or ["mini"], options.library or ["builtin"]
    return options


def windows(material: Material, kind: str, codec: Codec) -> list[AudioWindow]:
    """Return sounds of a kind from the test split, windowed and evenly spread over the split."""
    hop = codec.identity.hop
    clips = [clip for clip in material.clips if clip.kind == kind]
    chosen = [clips[place * len(clips) // MOST] for place in range(MOST)] if len(clips) > MOST else clips
    frames = count_frames(4 * codec.identity.sample_rate, hop) if kind == "mix" else target_frames(kind)
    return [fit_window(to_float(material.read(clip)), frames, hop) for clip in chosen]


def cut_to(batch: Batch, lengths: list[int]) -> Batch:
    """Return sounds that are silent beyond their true lengths, where `rmod decode` cuts them."""
    return np.stack(
        [np.where(np.arange(batch.shape[1]) < length, each, 0) for each, length in zip(batch, lengths, strict=True)]
    )


def untrained_codec(folder: Path) -> Path:
    """Write an untrained codec with the architecture of mini."""
    torch.manual_seed(0)
    kwargs = {key: list(value) if isinstance(value, tuple) else value for key, value in load_codec_recipe("mini").shape}
    path = folder / "untrained.pth"
    path.write_bytes(serialize_codec_checkpoint(new_network(kwargs).state_dict(), kwargs, {}, half=False))
    return path


def at_16_khz(batch: Batch) -> Batch:
    """Return sounds [n, samples] limited to the band of a sample rate of 16 kHz."""
    down = soxr.resample(batch.T, 44_100, 16_000, quality="HQ")
    up = soxr.resample(down, 16_000, 44_100, quality="HQ").T
    return np.ascontiguousarray(np.pad(up, ((0, 0), (0, max(batch.shape[1] - up.shape[1], 0))))[:, : batch.shape[1]])


def mu_law(batch: Batch) -> Batch:
    """Return sounds [n, samples] quantised to 8 bits per sample with the mu-law curve of ITU-T G.711."""
    curve = np.sign(batch) * np.log1p(255 * np.abs(np.clip(batch, -1, 1))) / np.log(256)
    steps = np.round((curve + 1) / 2 * 255) / 255 * 2 - 1
    return np.asarray(np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255, np.float32)


def coded(codec: Codec, sounds: Mapping[str, Batch], lengths: Mapping[str, list[int]]) -> Mapping[str, Batch]:
    """Return the sounds encoded and decoded by a codec, cut to their true lengths."""
    return {
        kind: cut_to(codec.decode(codec.encode(batch))[:, : batch.shape[1]], lengths[kind])
        for kind, batch in sounds.items()
    }


def apply_to_all(way: Way, sounds: Mapping[str, Batch]) -> Mapping[str, Batch]:
    return {kind: way(batch) for kind, batch in sounds.items()}


def print_table(sounds: Mapping[str, Batch], ways: Mapping[str, Mapping[str, Batch]]) -> None:
    mel = MelDistance(44_100, WINDOWS, MELS)
    print("| | " + " | ".join(f"{kind} mel | spectral | SI-SDR, dB" for kind in sounds) + " |")
    print("|---" * (1 + 3 * len(sounds)) + "|")
    for name, made in ways.items():
        cells = []
        for kind, wanted in sounds.items():
            one, other = torch.from_numpy(made[kind]), torch.from_numpy(wanted)
            distances = float(mel(one, other)), float(spectral_distance(one, other).mean())
            ratio = float(signal_to_distortion_db(one, other).median())
            cells.append(f"{distances[0]:.3f} | {distances[1]:.3f} | {ratio:.1f}")
        print(f"| {name} | {' | '.join(cells)} |")


def print_explained(sounds: Mapping[str, Batch], ways: Mapping[str, Sequence[Mapping[str, Batch]]]) -> None:
    """Print the variance of one-shots' log-mel levels that each codec explains, at full level and 12 dB below."""
    kinds = [kind for kind in sounds if kind != "mix"]
    print("\n| | " + " | ".join(f"{kind} | 12 dB below | first 35 ms" for kind in kinds) + " |")
    print("|---" * (1 + 3 * len(kinds)) + "|")
    for name, (made, softer) in ways.items():
        cells = []
        for kind in kinds:
            wanted = describe(sounds[kind])
            full, low = describe(made[kind]), describe(softer[kind])
            cells += [explained(full, wanted), explained(low, wanted), explained(full[:, :, :3], wanted[:, :, :3])]
        print(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")


def describe(batch: Batch) -> Tensor:
    """Return what an ear describes of one-shots: levels relative to the loudest, [n, bands, frames]."""
    mel = LogMel()
    return describe_levels(torch.from_numpy(np.stack([mel.compute(sound) for sound in batch])), FRAMES)


def explained(made: Tensor, wanted: Tensor) -> float:
    """Return the share of the variance around the mean of all sounds that the made ones explain; neither is fitted."""
    return 1 - float((made - wanted).square().sum() / (wanted - wanted.mean(0)).square().sum())


def print_entropy(tokens: list[Tokens], size: int) -> None:
    print(f"\nEntropy of each codebook over all these sounds, bits of {np.log2(size):.0f}; entries ever used:\n")
    for place in range(tokens[0].shape[1]):
        codes = np.concatenate([each[:, place].reshape(-1) for each in tokens])
        counts = np.bincount(codes, minlength=size)
        shares = counts[counts > 0] / codes.size
        print(f"| {place + 1} | {-(shares * np.log2(shares)).sum():.2f} | {(counts > 0).sum()} |")


def draw(sounds: Mapping[str, Batch], ways: Mapping[str, Mapping[str, Batch]], folder: Path) -> None:
    """Write one picture per kind: the spectrograms of a sound before and after every degradation."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    for kind, batch in sounds.items():
        shown = {"original": batch, **{name: made[kind] for name, made in ways.items()}}
        figure, axes = pyplot.subplots(1, len(shown), figsize=(3 * len(shown), 3), sharey=True, layout="constrained")
        for axis, (name, each) in zip(axes, shown.items(), strict=True):
            axis.specgram(
                each[len(each) // 2] + 1e-7, NFFT=1024, noverlap=768, Fs=44.1, vmin=-110, vmax=-20, cmap="magma"
            )
            axis.set(title=name, xlabel="ms")
        axes[0].set_ylabel("kHz")
        figure.savefig(folder / f"codec-{kind}.png", dpi=70)
        pyplot.close(figure)


if __name__ == "__main__":
    main()
