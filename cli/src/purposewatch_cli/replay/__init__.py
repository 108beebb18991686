"""`purposewatch replay`: judge events again that a late fact affects."""
