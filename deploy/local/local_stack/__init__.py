"""The one-machine stack: what `union up`, `make demo` and the tests run on."""

from local_stack.errors import LocalStackError, PortBusy, ProcessFailed
from local_stack.issuer import AUDIENCE, ISSUER, Issuer
from local_stack.kafka import Broker
from local_stack.keychain import Keychain
from local_stack.ports import HOST, Ports, free_port
from local_stack.postgres import DATABASES, Postgres
from local_stack.services import portal_program, service_programs
from local_stack.stack import Addresses, ProcessStatus, Program, Stack, Started, data_dir_from_env

__all__ = [
    "AUDIENCE",
    "DATABASES",
    "HOST",
    "ISSUER",
    "Addresses",
    "Broker",
    "Issuer",
    "Keychain",
    "LocalStackError",
    "PortBusy",
    "Ports",
    "Postgres",
    "ProcessFailed",
    "ProcessStatus",
    "Program",
    "Stack",
    "Started",
    "data_dir_from_env",
    "free_port",
    "portal_program",
    "service_programs",
]
