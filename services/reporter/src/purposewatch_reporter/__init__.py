"""Keeps the books: violations, exact counts, alerts, metrics and the HTTP API."""
