"""A card factory for one machine: it has a key of its own, and opens what is made for a factory alone."""

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

KEY, CERTIFICATE = "card-factory-key.pem", "card-factory.pem"


def ensure(folder: Path) -> dict[str, str]:
    """Make key and certificate where they are missing; returns what the cards service is to be told of them."""
    key_file, certificate_file = folder / KEY, folder / CERTIFICATE
    if not certificate_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key_file.touch(0o600)
        key_file.write_bytes(pem)
        draft = certificate_file.with_suffix(".tmp")
        draft.write_bytes(_certificate(key).public_bytes(serialization.Encoding.PEM))
        os.replace(draft, certificate_file)
    return {"UNION_CARD_FACTORY_CERTIFICATE_FILE": str(certificate_file)}


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Card factory of one machine")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    return builder.not_valid_after(now + timedelta(days=3650)).sign(key, hashes.SHA256())


def opened(folder: Path, sealed: bytes) -> list[list[str]]:
    """The lines of a personalisation file, once its trailer is found true."""
    key = serialization.load_pem_private_key((folder / KEY).read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    content = pkcs7.pkcs7_decrypt_der(sealed, certificate, key, [])
    lines = list(csv.reader(io.StringIO(content.decode()), delimiter=";"))
    body = content[: content.rindex(b"T;")]
    if lines[-1] != ["T", str(len(lines) - 2), hashlib.sha256(body).hexdigest()]:
        raise ValueError("the trailer of the personalisation file is not true")
    return lines


def answer(reference: str, number: int, answers: Sequence[tuple[str, str]]) -> bytes:
    """A response file: (serial, produced | spoiled | dispatched)."""
    rows = [f"H;1;{reference};{number}", *(f"R;{serial};{word};" for serial, word in answers)]
    body = "".join(f"{row}\r\n" for row in rows).encode()
    return body + f"T;{len(answers)};{hashlib.sha256(body).hexdigest()}\r\n".encode()
