"""The key files of one machine."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from cards import keys
from cards.keys import SigningKey


def files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_key_files_are_made_once_and_read_by_their_owner_alone(tmp_path: Path) -> None:
    first = keys.ensure(tmp_path / "keys")
    contents = {file: file.read_bytes() for file in files_in(tmp_path)}
    assert first.keys() == {
        "UNION_CARD_SIGNING_KEY_FILE",
        "UNION_CARD_NUMBER_KEY_FILE",
        "UNION_CARD_ROOT_KEY_FILE",
    }
    for file in files_in(tmp_path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keys.ensure(tmp_path / "keys") == first
    assert {file: file.read_bytes() for file in files_in(tmp_path)} == contents
    assert len(contents) == 3


def test_a_key_on_another_curve_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(ValueError, match="P-256"):
        SigningKey.load(file)


@pytest.mark.parametrize(("r", "s"), [(1, 2), (127, 128), (2**247, 2**248), (2**255, 5), (2**256 - 1, 2**200)])
def test_a_signature_of_any_length_in_der_is_64_plain_bytes(r: int, s: int) -> None:
    class Told:
        """Signs with these two numbers."""

        curve = ec.SECP256R1()

        def sign(self, _message: bytes, _algorithm: object) -> bytes:
            return utils.encode_dss_signature(r, s)

    key = replace(SigningKey.of(ec.generate_private_key(ec.SECP256R1())), private=Told())  # type: ignore[arg-type]
    assert key.sign(b"") == r.to_bytes(32, "big") + s.to_bytes(32, "big")
