"""The command line of Purposewatch."""
