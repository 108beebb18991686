"""`/v1/vocabulary`: look up the terms that events may use."""
