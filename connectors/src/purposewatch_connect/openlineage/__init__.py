"""OpenLineage: run events become accesses to their inputs and outputs."""
