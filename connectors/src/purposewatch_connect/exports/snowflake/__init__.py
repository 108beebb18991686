"""Snowflake: exports of the view `ACCESS_HISTORY` become observations."""

from purposewatch_connect.exports.snowflake.records import read_snowflake

__all__ = ["read_snowflake"]
