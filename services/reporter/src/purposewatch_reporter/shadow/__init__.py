"""Shadow mode: what policies that are tried would have decided about recorded flows."""
