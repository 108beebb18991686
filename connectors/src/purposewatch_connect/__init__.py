"""Connectors: what exists already (spans, logs, query logs) becomes data-access events.

Each connector reads its input into `Observation`s; one `Mapper` turns these into accesses, which
are published, and gaps, which are counted (`purposewatch_connect.mapping`).
"""
