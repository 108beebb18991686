"""`/v1/decisions`: ask what events would be decided."""
