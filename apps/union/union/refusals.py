"""What an operator is told when the world refuses; an error that is our own mistake keeps its traceback."""

from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import ValidationError
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from common.db import is_transient, sqlstate
from common.errors import BusinessError
from local_stack import LocalStackError
from union import platform

_UNDEFINED_TABLE = "42P01"
_REFUSED = {
    "28000": "the user",
    "28P01": "the password",
    "3D000": "the name of the database",
    "42501": "the rights",
}


def sentence(error: Exception) -> str | None:
    """What is wrong and what to do, or None for an error that should not be. Never a value of a setting."""
    if isinstance(error, BusinessError):
        return error.detail
    if isinstance(error, LocalStackError | platform.Misconfigured):
        return str(error)
    if isinstance(error, ValidationError):
        owner = platform.owner_of(error.title)
        return str(platform.misconfigured(owner, error)) if owner else None
    if isinstance(error, KafkaError):
        away = isinstance(error, KafkaConnectionError)
        return (
            f"The broker {'does not answer' if away else 'refuses'} ({type(error).__name__}); ask `union doctor`."
        )
    state = sqlstate(error)
    if state == _UNDEFINED_TABLE:
        return "The database lacks a table of this release: `union migrate` brings it to the newest schema."
    if state in _REFUSED:
        return f"The database does not accept {_REFUSED[state]} in its address; ask `union doctor`."
    other_driver = isinstance(error, ModuleNotFoundError) and error.name in ("psycopg", "psycopg2")
    if isinstance(error, ArgumentError) or other_driver:
        return (
            "The address of the database cannot be read; it is postgresql+asyncpg://user:password@host:port/name."
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, SQLAlchemyError | OSError) and is_transient(error):
        return f"The database or the broker does not answer ({type(error).__name__}); ask `union doctor`."
    return None
