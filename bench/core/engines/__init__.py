"""The policy engines that are compared."""
