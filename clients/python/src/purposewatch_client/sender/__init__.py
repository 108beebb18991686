"""The sender: takes what is in the spool to ingest."""
