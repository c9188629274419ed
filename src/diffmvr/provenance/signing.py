"""Ed25519 keys and signatures (RFC 8032), by the package ``cryptography`` (extra ``sign``)."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

PRIVATE_NAME, PUBLIC_NAME = "private.pem", "public.pem"


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Write a new pair of keys as PEM files: the private one readable by its owner alone.

    Args:
        folder: is made if it is absent.

    Returns:
        The private key's file and the public key's.

    Raises:
        FileExistsError: if either is there: a key that is written over is lost.
        ValueError: if ``cryptography`` is not installed.
    """
    parts = _cryptography()
    files = folder / PRIVATE_NAME, folder / PUBLIC_NAME
    for file in files:
        if os.path.lexists(file):
            raise FileExistsError(
                f"output: {file} is there, and a key is never written over; give another folder"
            )
    key = parts.Ed25519PrivateKey.generate()
    contents = (
        key.private_bytes(parts.Encoding.PEM, parts.PrivateFormat.PKCS8, parts.NoEncryption()),
        key.public_key().public_bytes(parts.Encoding.PEM, parts.PublicFormat.SubjectPublicKeyInfo),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for file, content, mode in zip(files, contents, (0o600, 0o644), strict=True):
        # O_EXCL: nothing that has come meanwhile is written over, nor a link followed.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as writer:
            writer.write(content)
    return files


def load_private_key(path: Path, name: str = "sign") -> Any:
    """Read a private key; see :func:`make_keys`.

    Args:
        path: a PEM file without a passphrase.
        name: the argument's name, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no Ed25519 private key, or ``cryptography`` is not installed.
    """
    parts = _cryptography(name)
    try:
        key = parts.load_pem_private_key(_read(path, name), password=None)
    except TypeError:
        raise ValueError(
            f"{name}: {path} has a passphrase; give a key without one, kept where others cannot "
            "read it (python -m diffmvr.keygen output=FOLDER makes one)"
        ) from None
    except (ValueError, parts.UnsupportedAlgorithm):
        key = None
    if not isinstance(key, parts.Ed25519PrivateKey):
        raise ValueError(
            f"{name}: {path} is not a private Ed25519 key in PEM; "
            "python -m diffmvr.keygen output=FOLDER makes one"
        )
    return key


def load_public_key(path: Path, name: str = "public_key") -> Any:
    """Read a public key; see :func:`load_private_key`."""
    parts = _cryptography(name)
    try:
        key = parts.load_pem_public_key(_read(path, name))
    except (ValueError, parts.UnsupportedAlgorithm):
        key = None
    if not isinstance(key, parts.Ed25519PublicKey):
        raise ValueError(
            f"{name}: {path} is not a public Ed25519 key in PEM; give the {PUBLIC_NAME} of the one "
            "who signed"
        )
    return key


def sign(key: Any, message: bytes) -> dict[str, str]:
    """Return a signature as JSON holds it: algorithm, public key and signature in base64."""
    raw = key.public_key().public_bytes_raw()
    return {
        "algorithm": "Ed25519",
        "public_key": base64.b64encode(raw).decode(),
        "signature": base64.b64encode(key.sign(message)).decode(),
    }


def signed_by(signature: Any, message: bytes) -> bytes | None:
    """Return the public key, 32 bytes, that a signature fits; ``None`` where it fits none.

    Args:
        signature: as :func:`sign` gives it; whatever a file holds may be tried.
        message: what was signed.
    """
    parts = _cryptography("signature")
    try:
        raw = base64.b64decode(signature["public_key"], validate=True)
        data = base64.b64decode(signature["signature"], validate=True)
        if signature["algorithm"] != "Ed25519":
            return None
        parts.Ed25519PublicKey.from_public_bytes(raw).verify(data, message)
    except (KeyError, TypeError, ValueError, parts.InvalidSignature):
        return None
    return raw


def fingerprint(raw: bytes) -> str:
    """Return a short name of a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(raw).hexdigest()[:16]


def _read(path: Path, name: str) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{name}: there is no file {path}; check the path")
    return path.read_bytes()


def _cryptography(name: str = "output") -> Any:
    """Return what is needed of the package; it takes no part where nothing is signed."""
    try:
        from diffmvr.provenance import _ed25519
    except ImportError as error:
        raise ValueError(
            f"{name}: keys and signatures need the package cryptography, which is not installed "
            f"({error}); pip install 'diffmvr[sign]'"
        ) from error
    return _ed25519
