"""Sign the checksums of a release with an Ed25519 key, and check the signature. Nothing is asked of a network.

The signature is detached and raw, 64 bytes, so ``openssl pkeyutl -verify -rawin`` checks it too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage.folders import require_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = "SHA256SUMS.sig"
"""The file of the signature in the folder of a release."""

_LARGEST_KEY_BYTES = 100_000
_MAKE = "openssl genpkey -algorithm ed25519 -out release.pem; openssl pkey -in release.pem -pubout -out release.pub"
_PRIVATE_HINT = f"give an Ed25519 key, PEM or OpenSSH; make one: {_MAKE}"
_PUBLIC_HINT = "give the public Ed25519 key of the publisher, PEM or OpenSSH"


def open_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key in a file, PEM or OpenSSH, without a passphrase. Raises UsageError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = _load(path, _read_key(path, _PRIVATE_HINT), _PRIVATE_HINT, private=True)
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(path, "is not a private Ed25519 key", _PRIVATE_HINT)
    return key


def open_public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key in a file, PEM or OpenSSH, or that of the private key in it. Raises UsageError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    content = _read_key(path, _PUBLIC_HINT)
    key = _load(path, content, _PUBLIC_HINT, private=b"PRIVATE KEY" in content)
    if isinstance(key, Ed25519PrivateKey):
        key = key.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(path, "is not an Ed25519 key", _PUBLIC_HINT)
    return key


def sign(key: Ed25519PrivateKey, content: bytes) -> bytes:
    """Return the signature of some content, 64 bytes. The same key and content give the same bytes."""
    return key.sign(content)


def is_signed_by(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    """Return whether the holder of a key signed this content."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _read_key(path: Path, hint: str) -> bytes:
    require_file(path, hint)
    try:
        if path.stat().st_size > _LARGEST_KEY_BYTES:
            raise UsageError(path, "is too large for a key", hint)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(path, f"cannot be read: {error.strerror or error}", hint) from error


def _load(path: Path, content: bytes, hint: str, *, private: bool) -> Any:
    """Return the key in the content of a file. Raises UsageError."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise UsageError("--key", "cryptography is not installed", 'pip install "rmod-pipeline[release]"') from error
    try:
        if private:
            is_ssh = b"OPENSSH PRIVATE KEY" in content
            load_private = serialization.load_ssh_private_key if is_ssh else serialization.load_pem_private_key
            return load_private(content, password=None)
        is_ssh = content.lstrip().startswith(b"ssh-")
        load_public = serialization.load_ssh_public_key if is_ssh else serialization.load_pem_public_key
        return load_public(content)
    except TypeError as error:
        found = "is protected by a passphrase, which rmod does not ask for"
        raise UsageError(path, found, "give a key without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(path, "is not a key that can be read", hint) from error
