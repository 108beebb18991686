"""Requests that publish CloudEvents: what events and facts have in common."""
