"""The ingest service: HTTP and the raw topic in, canonical, validated, pseudonymous events out."""
