"""The gate: HTTP and the raw topic in, one canonical, validated, pseudonymous event out."""
