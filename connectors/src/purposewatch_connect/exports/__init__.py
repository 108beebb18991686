"""Logs that a platform exports as files (CloudTrail, Snowflake), read once and published."""
