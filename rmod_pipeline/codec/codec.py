"""A codec, opened: audio -> tokens and back, at a fixed batch shape.

codec = open_codec("mini")
tokens = codec.encode(audio)      # [n, samples] float32 -> [n, codebooks, frames] uint16
audio = codec.decode(tokens)      # -> [n, frames * hop] float32
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.catalogue import find_weights, plain_name
from rmod_pipeline.codec.checkpoint import CodecCheckpoint, load_codec_model, read_codec_checkpoint
from rmod_pipeline.codec.window import frames_of
from rmod_pipeline.errors import CodecError, UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor

Tokens = NDArray[np.uint16]
"""[n, codebooks, frames], each in [0, codebook_size)."""

AudioBatch = NDArray[np.float32]
"""[n, samples], mono, full scale at 1."""

PRECISIONS = ("fp32", "tf32", "bf16")
"""fp32 is exact; tf32 (GPU) and bf16 are faster, and some tokens come out otherwise."""

BATCH_ON = {"cpu": 1, "cuda": 16}
"""Sounds encoded at once where none is said. On a CPU one: what lies between two layers then fits into its cache, which
makes `mini` twice as fast as eight at once (benchmarks/encode.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecIdentity:
    """What a codec is: all that decides what its tokens mean."""

    name: str
    """With a short hash of its weights: ``mini-1a2b3c4d``."""
    version: str
    sha256: str
    """Of the weights in float32 and of the model's shape: the same weights in another file are the same codec."""
    sample_rate: int
    hop: int
    codebooks: int
    codebook_size: int

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def require(self, expected: Mapping[str, Any], about: object) -> None:
        """Check that tokens made with ``expected`` (an Identity as JSON) are this codec's. Raises CodecError."""
        own = self.to_dict()
        named = {"sample_rate": "sample rate", "hop": "hop", "codebooks": "number of codebooks"}
        for key in ("sample_rate", "hop", "codebooks", "codebook_size", "sha256"):
            if key in expected and expected[key] != own[key]:
                what = named.get(key, key.replace("_", " "))
                found = f"made with {what} {expected[key]}, the codec {self.name} has {own[key]}"
                raise CodecError(about, found, "give the codec that the tokens were made with")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecChoice:
    """Which codec to open and how: small, and ready to be sent to a worker."""

    name: str
    """One that rmod knows, or the path or address of a dac checkpoint."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, ..."""
    precision: str = "fp32"
    batch: int | None = None
    """Sounds encoded at once; the last ones are padded with silence to as many. Part of a fingerprint. None: what suits
    the device."""
    compiled: bool = False
    """Whether torch.compile makes the encoder faster, after a minute of its own."""
    sha256: str | None = None
    """Of the weights, as in ``CodecIdentity``: others are refused, so that all who work on one build open the same."""

    def open(self) -> Codec:
        """Open the codec. Raises CodecError and UsageError."""
        identity, model, device = self._load()
        return Codec(identity, _without_weight_norm(model).to(device), self._settled_on(device), device)

    def settled(self) -> CodecChoice:
        """Return the choice with its device and batch said, as they are on this machine. Raises UsageError."""
        _check_choice(self)
        return self._settled_on(_device(self.device, self.precision))

    def _settled_on(self, device: str) -> CodecChoice:
        return replace(self, device=device, batch=self.batch or BATCH_ON[device.partition(":")[0]])

    def fingerprint(self, elsewhere: bool = False) -> dict[str, Any]:
        """Return what the opened codec's ``fingerprint`` would be; nothing is put on a GPU. Raises as ``open`` does.

        ``elsewhere`` a GPU may be asked for that this machine does not have.
        """
        identity, _, device = self._load(elsewhere)
        return self.fingerprint_on(device, identity)

    def fingerprint_on(self, device: str, identity: CodecIdentity) -> dict[str, Any]:
        """Return all that decides the tokens of given audio: the codec, how it is run, on what kind of device."""
        batch = self._settled_on(device).batch
        options = {"precision": self.precision, "batch": batch, "compiled": self.compiled}
        return {**identity.to_dict(), **options, "device": device.partition(":")[0], "torch": _torch_version()}

    def _load(self, elsewhere: bool = False) -> tuple[CodecIdentity, Any, str]:
        _check_choice(self)
        plain, path, expected = find_weights(self.name)
        device = _device(self.device, self.precision, elsewhere)
        checkpoint = read_codec_checkpoint(path, expected)
        model = load_codec_model(checkpoint)
        identity = _identity(plain, checkpoint, model)
        if self.sha256 not in (None, identity.sha256):
            found = f"its weights have become others: sha256 {identity.sha256[:12]}..., the build began with"
            raise CodecError(self.name, f"{found} {self.sha256[:12]}...", "put the old ones back")
        return identity, model, device


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebooks:
    """What the entries of a codec's codebooks are: those that sound alike lie near each other."""

    entries: NDArray[np.float32]
    """[codebooks, entries, dimensions], each of length 1: a code is chosen by the largest product with them."""
    latents: NDArray[np.float32]
    """[codebooks, entries, latent dimensions]: what a code adds to the latent, of which the decoder makes the sound."""


class Codec:
    """A ``dac.DAC`` on one device. Its tokens depend on weights, precision, batch and the kind of device alone."""

    def __init__(self, identity: CodecIdentity, model: Any, choice: CodecChoice, device: str) -> None:
        self.identity, self.choice, self.device = identity, choice, device
        self._batch = choice.batch or 1
        self._model = model
        self._encoder = _compiled(model.encoder) if choice.compiled else model.encoder

    @property
    def name(self) -> str:
        """With a short hash of the weights; the folder of its tokens is called so."""
        return self.identity.name

    def fingerprint(self) -> dict[str, Any]:
        """Return all that decides the tokens of given audio."""
        return self.choice.fingerprint_on(self.device, self.identity)

    def parameters(self) -> int:
        """Return how many numbers the model was fitted with."""
        return sum(each.numel() for each in self._model.parameters())

    def frames(self, samples: int) -> int:
        """Return the token frames of so many samples."""
        return frames_of(samples, self.identity.hop)

    def codebooks(self) -> Codebooks:
        """Return what the entries of each codebook are."""
        import torch

        with torch.inference_mode():
            stages = self._model.quantizer.quantizers
            entries = [torch.nn.functional.normalize(each.codebook.weight, dim=1) for each in stages]
            latents = [each.out_proj(each.codebook.weight.t()[None])[0].t() for each in stages]
        return Codebooks(
            entries=torch.stack(entries).float().cpu().numpy(), latents=torch.stack(latents).float().cpu().numpy()
        )

    def encode(self, audio: AudioBatch, precision: str | None = None) -> Tokens:
        """Return the tokens of [n, samples] float32, mono, at the codec's rate: uint16 [n, codebooks, frames].

        Audio that is no whole number of hops is padded with silence. Another precision than the codec's own can be
        asked for, to compare. Raises CodecError for another shape and for a GPU that is out of memory.
        """
        import torch

        batch = _checked_audio(audio)
        count, samples = batch.shape
        frames = self.frames(samples)
        tokens = np.zeros((count, self.identity.codebooks, frames), dtype=np.uint16)
        held = np.zeros((self._batch, 1, frames * self.identity.hop), dtype=np.float32)
        with torch.inference_mode(), self._exactly(precision or self.choice.precision):
            for start in range(0, count, self._batch):
                part = batch[start : start + self._batch]
                held[:] = 0
                held[: len(part), 0, :samples] = part
                codes = self._codes(torch.from_numpy(held).to(self.device), precision or self.choice.precision)
                tokens[start : start + len(part)] = codes[: len(part)].cpu().numpy().astype(np.uint16)
        return tokens

    def decode(self, tokens: NDArray[Any]) -> AudioBatch:
        """Return the sound of tokens [n, codebooks, frames]: float32 [n, frames * hop], always in fp32.

        Fewer codebooks than the codec has are its first ones. Raises CodecError for tokens out of range.
        """
        import torch

        codes = self._checked_tokens(tokens)
        count, books, frames = codes.shape
        audio = np.zeros((count, frames * self.identity.hop), dtype=np.float32)
        held = np.zeros((self._batch, books, frames), dtype=np.int64)
        with torch.inference_mode(), self._exactly("fp32"):
            for start in range(0, count, self._batch):
                part = codes[start : start + self._batch]
                held[:] = 0
                held[: len(part)] = part
                quantized = self._model.quantizer.from_codes(torch.from_numpy(held).to(self.device))[0]
                made = self._model.decode(quantized)[: len(part), 0].cpu().numpy()
                # Some strides give a few samples more or fewer than frames times hop.
                have = min(made.shape[1], audio.shape[1])
                audio[start : start + len(part), :have] = made[:, :have]
        return audio

    def share_differing(self, audio: AudioBatch) -> float:
        """Return the share of tokens, 0..1, that the codec's precision makes otherwise than fp32 does."""
        return differing(self.encode(audio), self.encode(audio, precision="fp32"))

    def require_rate(self, sample_rate: int, about: object) -> None:
        """Raise CodecError for audio at another rate than the codec's."""
        if sample_rate != self.identity.sample_rate:
            found = f"audio at {sample_rate} Hz, the codec {self.name} takes {self.identity.sample_rate} Hz"
            raise CodecError(about, found, f"set sample_rate: {self.identity.sample_rate} in the recipe")

    def _codes(self, audio: Tensor, precision: str) -> Tensor:
        import torch

        kind = self.device.partition(":")[0]
        try:
            with torch.autocast(kind, dtype=torch.bfloat16, enabled=precision == "bf16"):
                latent = (self._encoder if precision == self.choice.precision else self._model.encoder)(audio)
            # Nearest neighbours are looked up in fp32 whatever the precision: it costs nothing and keeps most tokens.
            return self._model.quantizer(latent.float())[1]
        except torch.OutOfMemoryError as error:
            found = f"out of memory with a batch of {self._batch} x {audio.shape[-1]} samples"
            raise CodecError(self.device, found, "give a smaller --batch; it is part of the fingerprint") from error

    @contextmanager
    def _exactly(self, precision: str) -> Iterator[None]:
        """Hold what would change results on a GPU: TF32 is on by default there, and kernels are chosen by the clock."""
        import torch

        fast = precision == "tf32"
        cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=fast)
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = fast
        try:
            with cudnn:
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    def _checked_tokens(self, tokens: NDArray[Any]) -> NDArray[np.int64]:
        books, size = self.identity.codebooks, self.identity.codebook_size
        if tokens.ndim != 3 or not 1 <= tokens.shape[1] <= books or not np.issubdtype(tokens.dtype, np.integer):
            found = f"tokens are {tokens.dtype} {list(tokens.shape)}, not integers [n, {books}, frames]"
            raise CodecError(self.name, found, "give tokens of this codec")
        codes = tokens.astype(np.int64)
        if codes.size and (codes.min() < 0 or codes.max() >= size):
            worst = codes.min() if codes.min() < 0 else codes.max()
            raise CodecError(self.name, f"a token is {worst}, the codebooks hold 0 to {size - 1}", "give intact tokens")
        return codes


def open_codec(
    name: str,
    *,
    device: str = "auto",
    precision: str = "fp32",
    batch: int | None = None,
    compiled: bool = False,
) -> Codec:
    """Open a codec by name or by the path of a dac checkpoint.

    Raises CodecError for weights that are missing, broken, changed or not a DAC's, and UsageError for an option.
    """
    return CodecChoice(name=name, device=device, precision=precision, batch=batch, compiled=compiled).open()


def differing(one: Tokens, other: Tokens) -> float:
    """Return the share of tokens, 0..1, in which two arrays of one shape differ."""
    return float((one != other).mean()) if one.size else 0.0


def weights_digest(checkpoint: CodecCheckpoint) -> str:
    """Return the SHA-256 of the model's arguments and of every array as float32, in the order of names."""
    digest = hashlib.sha256(repr(sorted(checkpoint.kwargs.items())).encode())
    for name in sorted(checkpoint.state):
        array = checkpoint.state[name].float().contiguous().numpy()
        digest.update(f"{name} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _identity(plain: str, checkpoint: CodecCheckpoint, model: Any) -> CodecIdentity:
    digest = weights_digest(checkpoint)
    # A file that says what it is called keeps its name wherever it lies: OUT/codec.pth of a training of mini is mini.
    plain = plain_name(str(checkpoint.about.get("name", plain)))
    return CodecIdentity(
        name=f"{plain}-{digest[:8]}",
        version=str(checkpoint.about.get("version", "")),
        sha256=digest,
        sample_rate=int(model.sample_rate),
        hop=int(model.hop_length),
        codebooks=int(model.n_codebooks),
        codebook_size=int(model.codebook_size),
    )


def _check_choice(choice: CodecChoice) -> None:
    if choice.precision not in PRECISIONS:
        found = f"unknown '{choice.precision}'{nearest(choice.precision, PRECISIONS)}"
        raise UsageError("--precision", found, f"choose {', '.join(PRECISIONS)}")
    if choice.batch is not None and choice.batch < 1:
        raise UsageError("--batch", f"{choice.batch} is too small", "give 1 or more")


def _device(name: str, precision: str, elsewhere: bool = False) -> str:
    from rmod_pipeline.codec.descript import import_dac

    import_dac()  # says what is missing, torch too
    import torch

    there = torch.cuda.is_available()
    chosen = ("cuda" if there else "cpu") if name == "auto" else name
    kind = chosen.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise UsageError("--device", f"unknown '{name}'", "choose auto, cpu, cuda or cuda:1")
    if kind == "cuda" and not there and not elsewhere:
        raise UsageError("--device", "no GPU that this torch can use", "give --device cpu, or install a CUDA torch")
    if precision == "tf32" and kind == "cpu":
        raise UsageError("--precision", "tf32 is a GPU's", "choose fp32 or bf16 on a CPU")
    return chosen


def _checked_audio(audio: AudioBatch) -> AudioBatch:
    if audio.ndim != 2 or audio.shape[1] == 0 or audio.dtype != np.float32:
        found = f"audio is {audio.dtype} {list(audio.shape)}, not float32 [n, samples]"
        raise CodecError("encode", found, "give mono audio, one row a sound")
    if not np.isfinite(audio).all():
        raise CodecError("encode", "NaN or infinite samples", "look at what made this audio")
    return audio


def _without_weight_norm(model: Any) -> Any:
    """Fold each weight's norm and direction into the weight, as every forward pass would do again: the same values."""
    from torch.nn.utils import remove_weight_norm

    for module in model.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
    return model.requires_grad_(False)


def _compiled(encoder: Any) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.compile(encoder, dynamic=False)


def _torch_version() -> str:
    import torch

    return str(torch.__version__).partition("+")[0]
