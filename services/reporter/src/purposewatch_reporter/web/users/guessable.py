"""Whether a password is soon guessed: by frequency lists, without a network.

zxcvbn carries the 30,000 most common passwords, words and names, and also recognises them reversed,
capitalised, with digits for letters, repeated, and in a row with dates, sequences and keyboard
patterns.
"""

import re
from threading import Lock

_OWN_WORDS = ("purposewatch", "purpose", "watch", "compliance", "privacy", "officer")
_MIN_GUESSES = 10**8
"""What zxcvbn calls safely unguessable where a server hashes slowly and limits attempts."""
_MAX_LENGTH = 32
"""Substitutions in longer texts take zxcvbn seconds; so many characters decide well enough."""
_MIN_NAME = 3

_one_at_a_time = Lock()


def is_guessable(password: str, username: str) -> bool:
    """Whether an attacker who knows the product and the user's name needs few guesses."""
    # takes 16 MB, and only those need it who change a password
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]  # noqa: PLC0415

    names = [name for name in re.split(r"[._@-]", username) if len(name) >= _MIN_NAME]
    known = sorted({*_OWN_WORDS, *names, username}, key=len, reverse=True)
    # what the attacker knows adds nothing, wherever it stands
    unknown = re.sub("|".join(map(re.escape, known)), "", password, flags=re.IGNORECASE)
    if not unknown:
        return True
    with _one_at_a_time:  # zxcvbn keeps the words of its caller in a global variable
        found = zxcvbn(unknown[:_MAX_LENGTH], user_inputs=known)
    return bool(found["guesses"] < _MIN_GUESSES)
