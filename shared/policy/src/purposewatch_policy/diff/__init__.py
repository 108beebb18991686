"""`purposewatch policy diff`: what one version of a policy permits and another does not."""
