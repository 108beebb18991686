"""Bring a database's schema up to date with this version of the reporter."""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection


class SchemaError(Exception):
    """The database's schema isn't one that this version knows."""


def upgrade(connection: Connection) -> None:
    """Apply the missing migrations inside the caller's transaction: all of them or none."""
    with as_file(files("purposewatch_reporter.store") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            message = (
                f"cannot use the database's schema: {error}; it was probably made by a newer "
                "version of the reporter: run that version, or restore a backup"
            )
            raise SchemaError(message) from error
