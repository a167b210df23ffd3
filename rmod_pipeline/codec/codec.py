"""Open a codec, and encode and decode with a fixed batch shape.

codec = open_codec("mini")
tokens = codec.encode(audio)      # [n, samples] float32 -> [n, codebooks, frames] uint16
audio = codec.decode(tokens)      # -> [n, frames * hop] float32
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.catalogue import find_weights
from rmod_pipeline.codec.checkpoint import load_codec_model, read_codec_checkpoint
from rmod_pipeline.codec.identity import CodecIdentity
from rmod_pipeline.codec.settings import SETTING_NAMES, EncoderSettings, default_settings, prepare_encoder
from rmod_pipeline.codec.window import count_frames
from rmod_pipeline.errors import CodecError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

Tokens = NDArray[np.uint16]
"""[n, codebooks, frames], values in [0, codebook_size)."""

AudioBatch = NDArray[np.float32]
"""[n, samples] mono, full scale at 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecChoice:
    """Which codec to open, and its options. It is small, so that it can be sent to workers."""

    name: str
    """A known codec, or the path or address of a dac checkpoint."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, ..."""
    precision: str | None = None
    """fp32, tf32 or bf16. This and the next four: None is the default of the device, see ``settings.DEFAULTS``."""
    batch: int | None = None
    compiled: bool | None = None
    channels_last: bool | None = None
    cuda_graphs: bool | None = None
    sha256: str | None = None
    """The expected ``CodecIdentity.sha256``: other weights are refused, so that all workers of a build use the same."""

    @classmethod
    def for_few(cls, name: str, *, device: str, batch: int) -> CodecChoice:
        """Return the choice for a few sounds: in fp32, and without anything that takes long to prepare."""
        return cls(
            name=name, device=device, precision="fp32", batch=batch, compiled=False, channels_last=False,
            cuda_graphs=False,
        )  # fmt: skip

    def open(self) -> Codec:
        """Open the codec. Raises CodecError and UsageError."""
        identity, model, device = self._load()
        return Codec(identity, _fold_weight_norm(model).to(device), self.resolve_on(device), device)

    def settings_on(self, device: str) -> EncoderSettings:
        """Return the settings on a device, its defaults included. Raises UsageError for those that it does not have."""
        settings = default_settings(device).updated({name: getattr(self, name) for name in SETTING_NAMES})
        settings.check(device)
        return settings

    def resolve_on(self, device: str) -> CodecChoice:
        """Return the choice with nothing left open. Raises UsageError for settings that the device does not have."""
        settings = self.settings_on(device)
        return replace(self, device=device, **{name: getattr(settings, name) for name in SETTING_NAMES})

    def fingerprint(self, is_remote: bool = False) -> dict[str, Any]:
        """Return the ``fingerprint`` of the codec without loading it on a GPU. Raises as ``open`` does.

        ``is_remote``: the codec will run on other machines, so the device may be a GPU that this machine lacks.
        """
        identity, _, device = self._load(is_remote)
        return self.fingerprint_on(device, identity)

    def fingerprint_on(self, device: str, identity: CodecIdentity) -> dict[str, Any]:
        """Return everything that decides the tokens of given audio: codec, options and kind of device."""
        settings = self.settings_on(device).fingerprint()
        return {**identity.to_dict(), **settings, "device": device.partition(":")[0], "torch": _read_torch_version()}

    def _load(self, is_remote: bool = False) -> tuple[CodecIdentity, Any, str]:
        default_settings("cpu").updated({"precision": self.precision, "batch": self.batch}).check("cuda")
        name, path, expected_sha256 = find_weights(self.name)
        device = select_device(self.device, is_remote)
        self.settings_on(device)
        checkpoint = read_codec_checkpoint(path, expected_sha256)
        model = load_codec_model(checkpoint)
        identity = CodecIdentity.of(name, checkpoint, model)
        if self.sha256 not in (None, identity.sha256):
            found = f"its weights have changed: sha256 {identity.sha256[:12]}..., the build began with"
            raise CodecError(self.name, f"{found} {self.sha256[:12]}...", "restore the old weights")
        return identity, model, device


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebooks:
    """The vectors of the codebook entries of a codec."""

    entries: NDArray[np.float32]
    """[codebooks, entries, dimensions], normalised to length 1; the encoder selects the entry by cosine similarity."""
    latents: NDArray[np.float32]
    """[codebooks, entries, latent dimensions]: what an entry adds to the latent, the input of the decoder."""


class Codec:
    """A codec on one device. Its tokens depend only on weights, precision, batch size and kind of device."""

    def __init__(self, identity: CodecIdentity, model: Any, choice: CodecChoice, device: str) -> None:
        """Wrap a model that is already on ``device``; use ``CodecChoice.open`` or ``open_codec`` to open a codec."""
        self.identity, self.choice, self.device = identity, choice, device
        self.settings = choice.settings_on(device)
        """How the encoder runs."""
        self._batch = self.settings.batch
        self._model = model
        self._encoder = prepare_encoder(model.encoder, self.settings)

    def with_settings(self, **changes: Any) -> Codec:
        """Return a codec of the same weights, which are shared, with other settings. Raises UsageError."""
        return Codec(self.identity, self._model, replace(self.choice, **changes), self.device)

    @property
    def name(self) -> str:
        """The name with a short hash of the weights, which is also the name of the folder of its tokens."""
        return self.identity.name

    def fingerprint(self) -> dict[str, Any]:
        """Return everything that decides the tokens of given audio, as JSON types."""
        return self.choice.fingerprint_on(self.device, self.identity)

    def count_parameters(self) -> int:
        """Return the number of parameters of the model."""
        return sum(parameter.numel() for parameter in self._model.parameters())

    def count_frames(self, samples: int) -> int:
        """Return the number of token frames of ``samples`` samples."""
        return count_frames(samples, self.identity.hop)

    def codebooks(self) -> Codebooks:
        """Return the vectors of the codebook entries."""
        import torch

        with torch.inference_mode():
            stages = self._model.quantizer.quantizers
            entries = [torch.nn.functional.normalize(stage.codebook.weight, dim=1) for stage in stages]
            latents = [stage.out_proj(stage.codebook.weight.t()[None])[0].t() for stage in stages]
        return Codebooks(
            entries=torch.stack(entries).float().cpu().numpy(), latents=torch.stack(latents).float().cpu().numpy()
        )

    def encode(self, audio: AudioBatch, precision: str | None = None) -> Tokens:
        """Encode mono audio [n, samples] float32 at the codec's sample rate to tokens uint16 [n, codebooks, frames].

        The audio is padded with silence to a whole number of hops. ``precision`` overrides that of the codec, for
        comparisons. Raises CodecError for another shape or dtype, and for a GPU that is out of memory.
        """
        import torch

        audio = _check_audio(audio)
        count, samples = audio.shape
        frames = self.count_frames(samples)
        tokens = np.zeros((count, self.identity.codebooks, frames), dtype=np.uint16)
        batch = np.zeros((self._batch, 1, frames * self.identity.hop), dtype=np.float32)
        precision = precision or self.settings.precision
        with torch.inference_mode(), self._deterministic(precision):
            for start in range(0, count, self._batch):
                part = audio[start : start + self._batch]
                batch[:] = 0
                batch[: len(part), 0, :samples] = part
                codes = self._encode_batch(torch.from_numpy(batch).to(self.device), precision)
                tokens[start : start + len(part)] = codes[: len(part)].cpu().numpy().astype(np.uint16)
        return tokens

    def encode_on_device(self, audio: Tensor) -> Tensor:
        """Encode a full batch that is on the device, [batch, 1, samples], and return its codes there; for benchmarks.

        The samples must be a whole number of hops. Raises CodecError for a GPU that is out of memory.
        """
        import torch

        with torch.inference_mode(), self._deterministic(self.settings.precision):
            return self._encode_batch(audio, self.settings.precision)

    def decode(self, tokens: NDArray[Any]) -> AudioBatch:
        """Decode tokens [n, codebooks, frames] to audio float32 [n, frames * hop], always in fp32.

        The tokens may be those of the first codebooks only. Raises CodecError for another shape or dtype, and for
        tokens out of range.
        """
        import torch

        codes = self._check_tokens(tokens)
        count, books, frames = codes.shape
        audio = np.zeros((count, frames * self.identity.hop), dtype=np.float32)
        batch = np.zeros((self._batch, books, frames), dtype=np.int64)
        with torch.inference_mode(), self._deterministic("fp32"):
            for start in range(0, count, self._batch):
                part = codes[start : start + self._batch]
                batch[:] = 0
                batch[: len(part)] = part
                quantized = self._model.quantizer.from_codes(torch.from_numpy(batch).to(self.device))[0]
                decoded = self._model.decode(quantized)[: len(part), 0].cpu().numpy()
                # With some strides the length differs by a few samples from frames times hop.
                samples = min(decoded.shape[1], audio.shape[1])
                audio[start : start + len(part), :samples] = decoded[:, :samples]
        return audio

    def compare_with_fp32(self, audio: AudioBatch) -> float:
        """Return the share of tokens, 0..1, that differ between the codec's precision and fp32; audio [n, samples]."""
        return compute_mismatch_rate(self.encode(audio), self.encode(audio, precision="fp32"))

    def require_rate(self, sample_rate: int, about: object) -> None:
        """Raise CodecError unless ``sample_rate`` in Hz is that of the codec."""
        if sample_rate != self.identity.sample_rate:
            found = f"audio at {sample_rate} Hz, the codec {self.name} takes {self.identity.sample_rate} Hz"
            raise CodecError(about, found, f"set sample_rate: {self.identity.sample_rate} in the recipe")

    def _encode_batch(self, audio: Tensor, precision: str) -> Tensor:
        import torch

        kind = self.device.partition(":")[0]
        try:
            with torch.autocast(kind, dtype=torch.bfloat16, enabled=precision == "bf16"):
                latent = (self._encoder if precision == self.settings.precision else self._model.encoder)(audio)
            # The nearest entries are always searched in fp32, which costs no time and changes fewer tokens.
            codes: Tensor = self._model.quantizer(latent.float())[1]
            return codes
        except torch.OutOfMemoryError as error:
            found = f"out of memory with a batch of {self._batch} x {audio.shape[-1]} samples"
            raise CodecError(self.device, found, "give a smaller --batch; it is part of the fingerprint") from error

    @contextmanager
    def _deterministic(self, precision: str) -> Iterator[None]:
        """Set the torch options that make the results of a GPU reproducible, and restore them at the end."""
        import torch

        # By default torch uses TF32 in convolutions, and cuDNN benchmarks choose kernels by their speed.
        allow_tf32 = precision == "tf32"
        cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=allow_tf32)
        previous = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = allow_tf32
        try:
            with cudnn:
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = previous

    def _check_tokens(self, tokens: NDArray[Any]) -> NDArray[np.int64]:
        books, size = self.identity.codebooks, self.identity.codebook_size
        if tokens.ndim != 3 or not 1 <= tokens.shape[1] <= books or not np.issubdtype(tokens.dtype, np.integer):
            found = f"tokens are {tokens.dtype} {list(tokens.shape)}, not integers [n, {books}, frames]"
            raise CodecError(self.name, found, "give tokens of this codec")
        codes = tokens.astype(np.int64)
        if codes.size and (codes.min() < 0 or codes.max() >= size):
            invalid = codes.min() if codes.min() < 0 else codes.max()
            raise CodecError(
                self.name, f"a token is {invalid}, the codebooks hold 0 to {size - 1}", "give intact tokens"
            )
        return codes


def open_codec(
    name: str,
    *,
    device: str = "auto",
    precision: str | None = None,
    batch: int | None = None,
    compiled: bool | None = None,
    channels_last: bool | None = None,
    cuda_graphs: bool | None = None,
) -> Codec:
    """Open a known codec by name, or a dac checkpoint by its path. None is the default of the device.

    Raises CodecError for weights that are missing, broken, changed or not those of a DAC, UsageError for other options.
    """
    return CodecChoice(
        name=name, device=device, precision=precision, batch=batch, compiled=compiled, channels_last=channels_last,
        cuda_graphs=cuda_graphs,
    ).open()  # fmt: skip


def compute_mismatch_rate(tokens: Tokens, reference: Tokens) -> float:
    """Return the share of tokens, 0..1, that differ between two arrays of the same shape."""
    return float((tokens != reference).mean()) if tokens.size else 0.0


def select_device(name: str, is_remote: bool = False) -> str:
    """Return the device of a name, ``auto`` included. Raises UsageError for one that this torch does not have."""
    from rmod_pipeline.codec.descript import import_dac

    import_dac()  # its error names the missing package, also torch
    import torch

    has_gpu = torch.cuda.is_available()
    device = ("cuda" if has_gpu else "cpu") if name == "auto" else name
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise UsageError("--device", f"unknown '{name}'", "choose auto, cpu, cuda or cuda:1")
    if kind == "cuda" and not has_gpu and not is_remote:
        raise UsageError("--device", "this torch finds no GPU", "give --device cpu, or install a CUDA torch")
    return device


def _check_audio(audio: AudioBatch) -> AudioBatch:
    if audio.ndim != 2 or audio.shape[1] == 0 or audio.dtype != np.float32:
        found = f"audio is {audio.dtype} {list(audio.shape)}, not float32 [n, samples]"
        raise CodecError("encode", found, "give mono audio, one row per sound")
    if not np.isfinite(audio).all():
        raise CodecError("encode", "NaN or infinite samples", "check where this audio comes from")
    return audio


def _fold_weight_norm(model: Any) -> Any:
    """Compute every weight from its norm and direction once instead of in each forward pass; the values are equal."""
    from torch.nn.utils import remove_weight_norm

    for module in model.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
    return model.requires_grad_(False)


def _read_torch_version() -> str:
    import torch

    return str(torch.__version__).partition("+")[0]
