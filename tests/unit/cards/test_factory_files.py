"""The files that pass between the union and its card factory."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cards.errors import FactoryFileInvalid
from cards.factory import Personalised, personalisation, read_response
from common.sealing import certificate_of, encrypted_for

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
CARD = Personalised("PB202600000112-00001", "9000000000000005", "Ёлкина", "Анна; Мария", "", "11/31", "UC1:ABC")


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Card factory")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=365))
    return builder.sign(key, hashes.SHA256())


def response(*answers: str, reference: str = "PB202600000112", number: str = "1") -> bytes:
    body = "".join(f"{line}\r\n" for line in (f"H;1;{reference};{number}", *answers)).encode()
    return body + f"T;{len(answers)};{hashlib.sha256(body).hexdigest()}\r\n".encode()


def test_a_personalisation_file_tells_how_many_cards_it_has_and_what_it_hashes_to() -> None:
    content, digest = personalisation("PB202600000112", 2, NOW, [CARD])
    lines = content.decode().split("\r\n")
    assert lines[0] == "H;1;PB202600000112;2;2026-11-23T09:30:00+00:00;1"
    assert lines[1] == 'C;PB202600000112-00001;9000000000000005;Ёлкина;"Анна; Мария";;11/31;UC1:ABC'
    assert lines[2] == f"T;1;{digest}"
    assert hashlib.sha256(content[: content.index(b"T;1;")]).hexdigest() == digest


def test_the_factory_alone_can_open_the_file() -> None:
    key = rsa.generate_private_key(65537, 2048)
    certificate_pem = certificate(key).public_bytes(serialization.Encoding.PEM)
    sealed = encrypted_for(certificate_of(certificate_pem), "Ёлкина".encode())
    assert "Ёлкина".encode() not in sealed
    opened = pkcs7.pkcs7_decrypt_der(sealed, certificate(key), key, [])
    assert opened.endswith("Ёлкина".encode())
    other = rsa.generate_private_key(65537, 2048)
    with pytest.raises(ValueError):
        pkcs7.pkcs7_decrypt_der(sealed, certificate(other), other, [])


def test_a_certificate_without_an_rsa_key_is_no_certificate_for_this() -> None:
    pem = certificate(ec.generate_private_key(ec.SECP256R1())).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ValueError, match="RSA"):
        certificate_of(pem)


def test_an_answer_is_read_with_its_notes() -> None:
    read = read_response(response("R;S-1;produced;", "R;S-2;spoiled;chip broken", "R;S-1;dispatched;parcel 7"))
    assert (read.reference, read.number) == ("PB202600000112", 1)
    assert [(a.serial, a.answer, a.note, a.line) for a in read.answers] == [
        ("S-1", "produced", None, 2),
        ("S-2", "spoiled", "chip broken", 3),
        ("S-1", "dispatched", "parcel 7", 4),
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"H;1;PB1;1\r\n", 1),
        (response("R;S-1;produced;")[:-9] + b"deadbeef\r\n", 3),
        (response("R;S-1;produced;").replace(b"T;1;", b"T;2;"), 3),
        (response("R;S-1;lost;"), 2),
        (response("R;S-1;produced"), 2),
        (response("R;S-1;produced;", "R;S-1;produced;"), 3),
        (response("R;S-1;produced;", number="one"), 1),
        (response("R;S-1;produced;", number="9" * 30), 1),
        (response('R;"S-1;produced;'), 2),
        (b"H;1;PB1;1\r\n\xff\xfe\r\nT;1;0\r\n", 2),
        (b"H;2;PB1;1\r\nT;0;0\r\n", 1),
    ],
)
def test_a_wrong_answer_is_refused_with_its_line(content: bytes, line: int) -> None:
    with pytest.raises(FactoryFileInvalid) as refused:
        read_response(content)
    assert refused.value.extra["line"] == line


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    with pytest.raises(FactoryFileInvalid):
        read_response(content)
