"""Findings: violations and unknown flows that are the same but for the person, grouped."""
