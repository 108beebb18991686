"""Reads YAML with positions, and says where a fault is."""
