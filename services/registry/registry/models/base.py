"""What all tables of this service share."""

from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Table(SQLModel, registry=registry()):
    """Base of this service's tables, with a metadata of its own."""


def moment(nullable: bool = False) -> Any:
    """A column with a moment in UTC."""
    column: sa.Column[Any] = sa.Column(sa.DateTime(timezone=True), nullable=nullable)
    return Field(default=None, sa_column=column)


def texts() -> Any:
    """A column with an array of texts."""
    return Field(default_factory=list, sa_column=sa.Column(sa.ARRAY(sa.Text), nullable=False))


def learnt() -> Any:
    """A key's column with the moment from which the row is known, by the database's clock."""
    return Field(
        default=None,
        sa_column=sa.Column(
            sa.DateTime(timezone=True), primary_key=True, server_default=sa.text("clock_timestamp()")
        ),
    )


def ids() -> Any:
    """A column with an array of ids."""
    return Field(
        default_factory=list,
        sa_column=sa.Column(sa.ARRAY(sa.Uuid), nullable=False, server_default=sa.text("'{}'")),
    )


def one_of(column: str, literal: Any) -> sa.CheckConstraint:
    """The column holds one of the literal type's values, or null where it may."""
    values = ", ".join(f"'{value}'" for value in get_args(literal))
    return sa.CheckConstraint(f"{column} in ({values})", name=f"{column}_known")
