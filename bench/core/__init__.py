"""Measures the decision core."""
