"""Somebody whom files are encrypted for: a card factory, a bank."""

import csv
import hashlib
import io
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID


class Receiver:
    """Has a key and a certificate of its own."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Receiver")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        day = datetime.now(UTC)
        builder = builder.serial_number(1).not_valid_before(day).not_valid_after(day + timedelta(days=365))
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def open(self, sealed: bytes) -> list[list[str]]:
        """The file's lines, once its trailer is found true."""
        content = pkcs7.pkcs7_decrypt_der(sealed, self.certificate, self.key, [])
        lines = list(csv.reader(io.StringIO(content.decode()), delimiter=";"))
        body = content[: content.rindex(b"T;")]
        assert (lines[-1][1], lines[-1][-1]) == (str(len(lines) - 2), hashlib.sha256(body).hexdigest())
        return lines
