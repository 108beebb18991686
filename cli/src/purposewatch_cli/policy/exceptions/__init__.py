"""Exceptions that let a stricter policy go live: what they are, their file, and their commands."""
