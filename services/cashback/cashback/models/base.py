"""What the tables of this service share."""

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from common.tables import add_kernel_tables

MOMENT = sa.DateTime(timezone=True)
RECORDED = {"server_default": sa.text("clock_timestamp()")}


class Table(SQLModel, registry=registry()):
    """Base of this service's tables, with a metadata of its own."""


def one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} in ({listed})", name=f"{column}_known")


add_kernel_tables(Table.metadata)
