"""The command `purposewatch traffic`: generated events for a running Purposewatch."""
