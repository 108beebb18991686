"""Decides every data-access event against the declared policies."""
