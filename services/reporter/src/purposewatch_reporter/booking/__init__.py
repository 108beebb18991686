"""From records to the books: what is counted, and the one transaction that writes it."""
