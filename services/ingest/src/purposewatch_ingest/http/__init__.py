"""The HTTP interface of ingest."""
