"""The spool: events on disk, from when they are recorded until ingest has acknowledged them."""
