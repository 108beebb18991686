"""Alerts: written with the ledger, delivered at least once, identifiable when repeated."""
