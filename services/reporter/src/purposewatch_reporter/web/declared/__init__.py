"""What was declared: policies and the labels of their terms, as far as a page shows them."""
