"""The page that the compliance team works at: what was booked, shown and triaged."""
