"""Engines that hold a policy and decide flows by it."""
