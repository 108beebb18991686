"""What trying a policy costs, against the number of events and of distinct flows."""
