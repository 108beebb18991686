"""The gate's HTTP interface."""
