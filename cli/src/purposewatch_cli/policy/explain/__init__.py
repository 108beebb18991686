"""Explains one decision, and what would change it."""
