"""Turns queries on tagged tables into accesses, with exactly the columns that they touch."""

from purposewatch_client.integrations.sqlalchemy.events import audit

__all__ = ["audit"]
