"""`/v1/gaps`: report what could not be stated as events."""
