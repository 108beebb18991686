"""What if: what another policy would have decided about the flows of the ledger."""
