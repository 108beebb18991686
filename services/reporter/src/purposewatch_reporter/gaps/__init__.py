"""Gaps: what publishers saw and could not state as events. Neither permitted nor violations."""
