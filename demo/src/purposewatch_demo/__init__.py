"""`purposewatch demo`: the whole pipeline on one machine, fed with traffic that is known."""
