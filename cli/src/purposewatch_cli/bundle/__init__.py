"""The commands `purposewatch bundle`: policies as one signed archive."""
