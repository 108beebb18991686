"""Facts: stating them, and looking them up."""
