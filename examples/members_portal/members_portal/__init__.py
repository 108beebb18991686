"""A members' portal: what a service looks like that tells Purposewatch what it does."""
