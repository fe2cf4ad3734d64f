"""How every client of the broker connects."""

import ssl
from typing import Any

from aiokafka.helpers import create_ssl_context

from common.settings import Settings


def kafka_security(settings: Settings) -> dict[str, Any]:
    """The connection arguments that aiokafka's producer, consumer and admin client share."""
    arguments: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_security_protocol.endswith("SSL"):
        context: ssl.SSLContext = create_ssl_context(
            cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
            certfile=str(settings.kafka_cert_file) if settings.kafka_cert_file else None,
            keyfile=str(settings.kafka_key_file) if settings.kafka_key_file else None,
        )
        arguments["ssl_context"] = context
    if settings.kafka_security_protocol.startswith("SASL"):
        arguments["sasl_mechanism"] = settings.kafka_sasl_mechanism
        arguments["sasl_plain_username"] = settings.kafka_username
        arguments["sasl_plain_password"] = (
            settings.kafka_password.get_secret_value() if settings.kafka_password else None
        )
    return arguments
