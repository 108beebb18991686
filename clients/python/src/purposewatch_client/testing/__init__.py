"""The pytest plugin: captures a test's events and decides them with the declared policies."""

from purposewatch_client.testing.capture import Captured, capture

__all__ = ["Captured", "capture"]
