"""`purposewatch replay`: judge events again, by a new policy or with a late fact."""
