"""Keeps the ledger: violations, exact counts, alerts, metrics and the HTTP API."""
