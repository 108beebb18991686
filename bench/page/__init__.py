"""Measures the page's lists on PostgreSQL: `python -m bench.page`."""
