"""`/v1/events`: publish events, and look up what became of them."""
