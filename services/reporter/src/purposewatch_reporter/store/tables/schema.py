"""What all tables are made with."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, Integer, MetaData, TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite has no type with a zone, so there it is stored without."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: their meaning would depend on the machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a zone can't be stored; attach its zone"
            raise ValueError(message)
        if value.tzinfo is not UTC:  # mostly it is, and moving it there would cost the most here
            value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the zone back."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


def accesses(name: str = "accesses", *, default: str = "0") -> Column[Any]:
    """How many accesses the counted events stand for: see docs/concepts.md."""
    return Column(name, BigInteger, nullable=False, server_default=default)


NO_KIND = "none"
"""Stands for a missing kind where a column is part of a primary key, as in metric labels."""

COUNTER = BigInteger().with_variant(Integer(), "sqlite")
"""The type of ids that the database counts up."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)
