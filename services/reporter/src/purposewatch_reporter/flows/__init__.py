"""The flow ledger: every distinct flow, once, and exact counts of what was decided about it."""
