"""The compliance page: what was recorded, shown and triaged."""
