"""Pages of the books: a log that is not the one they are about gets a page of its own."""
