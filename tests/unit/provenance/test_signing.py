"""Keys and signatures."""

import base64
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="keys need the extra `sign`")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from diffmvr.provenance.signing import (
    load_private_key,
    load_public_key,
    make_keys,
    sign,
    signed_by,
)


def test_what_a_key_signs_its_public_key_shows(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    key, message = load_private_key(private), b"what was said"

    signature = sign(key, message)

    raw = load_public_key(public).public_bytes_raw()
    assert signed_by(signature, message) == raw
    assert signed_by(signature, message + b".") is None
    # By the library alone.
    Ed25519PublicKey.from_public_bytes(raw).verify(
        base64.b64decode(signature["signature"]), message
    )
    other = sign(Ed25519PrivateKey.generate(), message)
    assert signed_by(other, message) not in (None, raw)
    assert signed_by(signature | {"public_key": other["public_key"]}, message) is None


@pytest.mark.parametrize(
    "signature", [None, 7, [], {}, {"algorithm": "Ed25519", "public_key": "=", "signature": 3}]
)
def test_what_is_no_signature_fits_nothing(signature: object) -> None:
    assert signed_by(signature, b"") is None


def test_the_private_key_is_its_owners_and_is_never_written_over(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    before = private.read_bytes(), public.read_bytes()

    assert private.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError, match=r"private\.pem is there, and a key is never"):
        make_keys(tmp_path / "keys")
    private.unlink()
    with pytest.raises(FileExistsError, match=r"public\.pem is there"):
        make_keys(tmp_path / "keys")
    assert public.read_bytes() == before[1] and not private.exists()


def test_other_keys_are_refused_in_one_line(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked = Ed25519PrivateKey.generate().private_bytes(
        pem, pkcs8, serialization.BestAvailableEncryption(b"word")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    other = rsa.generate_private_key(65537, 1024).private_bytes(
        pem, pkcs8, serialization.NoEncryption()
    )
    (tmp_path / "rsa.pem").write_bytes(other)

    with pytest.raises(ValueError, match=r"sign: .*locked\.pem has a passphrase"):
        load_private_key(tmp_path / "locked.pem")
    for wrong in (tmp_path / "rsa.pem", public):
        with pytest.raises(ValueError, match=rf"sign: .*{wrong.name} is not a private Ed25519 key"):
            load_private_key(wrong)
    with pytest.raises(ValueError, match=r"public_key: .*private\.pem is not a public Ed25519"):
        load_public_key(private)
    with pytest.raises(FileNotFoundError, match=r"sign: there is no file .*none\.pem"):
        load_private_key(tmp_path / "none.pem")
