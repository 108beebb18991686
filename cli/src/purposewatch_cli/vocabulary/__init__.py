"""The commands `purposewatch vocabulary`."""
