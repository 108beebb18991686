"""What a database can hold."""


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL can't hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
