"""`purposewatch check`: audit a file of events without any broker."""
