"""Files for one receiver alone: a card factory, a bank. Encrypted for the key of its certificate."""

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import pkcs7

MEDIA_TYPE = "application/pkcs7-mime"


def encrypted_for(certificate: x509.Certificate, content: bytes) -> bytes:
    """A CMS enveloped message (RFC 5652; RSA, AES-256-CBC) in DER, as `openssl cms -decrypt -inform DER` opens it."""
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(certificate)
    builder = builder.set_content_encryption_algorithm(algorithms.AES256)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def certificate_of(pem: bytes) -> x509.Certificate:
    """Raises ValueError when it is none, or its key is not RSA."""
    certificate = x509.load_pem_x509_certificate(pem)
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise ValueError("the receiver's certificate must have an RSA key")  # noqa: TRY004 (a wrong file)
    return certificate
