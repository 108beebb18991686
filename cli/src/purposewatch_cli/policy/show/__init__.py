"""`purposewatch policy show`: a policy at a glance, as a matrix and as a picture."""
