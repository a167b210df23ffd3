"""The catalogue of known codecs: the location of their weights, on disk or on the network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.errors import CodecError, nearest, quote
from rmod_pipeline.storage import StorePath, fetch_to_cache, parse_location
from rmod_pipeline.storage.folders import cache_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCodec:
    """A codec that can be named instead of given as a file."""

    name: str
    about: str
    """A short description."""
    file: str
    """File name of the weights: in the package, or in the cache folder after a download."""
    sha256: str | None = None
    url: str | None = None
    """None for weights that rmod ships."""
    bytes: int | None = None

    @property
    def path(self) -> Path:
        """The path of the weights, which may still be missing."""
        folder = Path(__file__).resolve().parent / "weights" if self.url is None else cache_folder() / "codecs"
        return folder / self.file


KNOWN = {
    known.name: known
    for known in (
        KnownCodec(
            name="mini",
            about="a small codec that rmod ships, for demos, tests and small experiments",
            file="mini.pth",
        ),
        KnownCodec(
            name="dac-44khz",
            about="the Descript Audio Codec at 44.1 kHz and 8 kbit/s (MIT), downloaded once",
            file="dac-44khz-8kbps-0.0.1.pth",
            url="https://github.com/descriptinc/descript-audio-codec/releases/download/0.0.1/weights.pth",
            bytes=306_717_287,
            sha256="a88eed82a7024ccc1facdb1e605c4c2f99281c8118c22c9895ffa846d8fb61aa",
        ),
    )
}


def find_known(name: str) -> KnownCodec:
    """Return a known codec by name. Raises CodecError."""
    if name not in KNOWN:
        raise CodecError(name, f"no such codec{nearest(name, KNOWN)}", f"choose {', '.join(KNOWN)}")
    return KNOWN[name]


def find_known_name(name: str) -> str | None:
    """Return the known codec of an identity's name, such as ``mini`` of ``mini-1a2b3c4d``, or None."""
    without_hash = re.sub(r"-[0-9a-f]{8}$", "", name)
    return next((candidate for candidate in (name, without_hash) if candidate in KNOWN), None)


def is_weights_path(codec: str) -> bool:
    """Return whether a text names a file of weights, local or on a store; the name of a known codec is never a path."""
    return codec not in KNOWN and parse_location(codec).is_file()


def find_weights(name: str) -> tuple[str, Path, str | None]:
    """Return the plain name of a codec, the file of its weights, and the file's SHA-256 if it is known.

    ``name`` is a known codec, or the path of a dac checkpoint; a checkpoint on an object store is downloaded into the
    cache. Raises CodecError if there is no such file.
    """
    if name in KNOWN:
        known = KNOWN[name]
        if not known.path.is_file():
            hint = f"run `rmod codec fetch {quote(name)}` where there is a network, or give the path of its weights"
            raise CodecError(name, f"its weights are not at {known.path}", hint)
        return name, known.path, known.sha256
    path = parse_location(name)
    if isinstance(path, StorePath):
        try:
            return make_plain_name(path.stem), fetch_to_cache(path), None
        except FileNotFoundError as error:
            raise CodecError(name, "no such object", "give the address of a dac checkpoint") from error
    if path.is_dir():
        files = [str(file) for file in sorted(path.glob("*.pth"))]
        hint = f"give {' or '.join(files)}" if files else "give the file of its weights, such as codec.pth"
        raise CodecError(name, "is a folder, a file of weights is needed", hint)
    if not path.is_file():
        found = f"no such codec{nearest(name, KNOWN)}, and no such file"
        raise CodecError(name, found, f"known: {', '.join(KNOWN)}; or give the path of a dac checkpoint")
    return make_plain_name(path.stem), path, None


def make_plain_name(stem: str) -> str:
    """Return a name of lower-case letters, digits and hyphens, because it becomes the name of a folder in tokens/."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in stem.lower())
    return "-".join(part for part in plain.split("-") if part) or "dac"
