"""Findings: violations and unknown flows, grouped by everything but the person."""
