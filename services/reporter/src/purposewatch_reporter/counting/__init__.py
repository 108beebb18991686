"""Counting rules: too many events, or data subjects, of one kind of flow within a time."""
