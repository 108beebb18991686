"""Log epochs: a log that is not the one that the ledger describes starts a new epoch."""
