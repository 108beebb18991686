"""`purposewatch policy`: work on policy files."""
