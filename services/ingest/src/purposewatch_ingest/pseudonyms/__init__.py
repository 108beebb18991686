"""Pseudonyms of data subjects: derived from keys, or kept for each subject."""
