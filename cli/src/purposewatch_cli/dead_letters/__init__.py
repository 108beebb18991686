"""Look at dead letters, replay them, drop them."""
