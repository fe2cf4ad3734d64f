"""A card factory and a bank for one machine: each has a key of its own, and opens what is made for it alone."""

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

FACTORY, BANK = "card-factory", "bank"
_VARIABLES = {FACTORY: "UNION_CARD_FACTORY_CERTIFICATE_FILE", BANK: "UNION_BANK_CERTIFICATE_FILE"}


def ensure(folder: Path, receiver: str) -> dict[str, str]:
    """Make the receiver's key and certificate where they are missing; returns what a service is told of them."""
    key_file, certificate_file = folder / f"{receiver}-key.pem", folder / f"{receiver}.pem"
    if not certificate_file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key_file.touch(0o600)
        key_file.write_bytes(pem)
        draft = certificate_file.with_suffix(".tmp")
        draft.write_bytes(_certificate(key, receiver).public_bytes(serialization.Encoding.PEM))
        os.replace(draft, certificate_file)
    return {_VARIABLES[receiver]: str(certificate_file)}


def _certificate(key: rsa.RSAPrivateKey, receiver: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{receiver} of one machine")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    return builder.not_valid_after(now + timedelta(days=3650)).sign(key, hashes.SHA256())


def opened(folder: Path, receiver: str, sealed: bytes) -> list[list[str]]:
    """The lines of a file that was made for the receiver, once its trailer is found true."""
    key = serialization.load_pem_private_key((folder / f"{receiver}-key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((folder / f"{receiver}.pem").read_bytes())
    content = pkcs7.pkcs7_decrypt_der(sealed, certificate, key, [])
    lines = list(csv.reader(io.StringIO(content.decode()), delimiter=";"))
    body = content[: content.rindex(b"T;")]
    trailer = lines[-1]
    if (trailer[0], trailer[1], trailer[-1]) != ("T", str(len(lines) - 2), hashlib.sha256(body).hexdigest()):
        raise ValueError("the trailer of the file is not true")
    return lines


def answer(answered: str, number: int, lines: Sequence[Sequence[str | int]], totals: Sequence[int] = ()) -> bytes:
    """A file that answers another: its lines without their leading R, and the control totals of its format."""
    rows = [f"H;1;{answered};{number}", *(f"R;{';'.join(map(str, line))}" for line in lines)]
    body = "".join(f"{row}\r\n" for row in rows).encode()
    trailer = ";".join(["T", str(len(lines)), *map(str, totals), hashlib.sha256(body).hexdigest()])
    return body + f"{trailer}\r\n".encode()
