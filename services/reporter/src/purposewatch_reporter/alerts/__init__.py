"""Alerts: written with the books, delivered at least once, recognisable when repeated."""
