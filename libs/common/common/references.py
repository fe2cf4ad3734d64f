"""References for people to read out and for banks to send back."""


def mod_97(digits: str) -> str:
    """The two check digits of ISO 7064 MOD 97-10 for `digits`: misses neither swaps nor twin errors."""
    return f"{98 - int(digits) * 100 % 97:02d}"


def reference(prefix: str, digits: str) -> str:
    """`prefix`, the digits, two check digits."""
    return f"{prefix}{digits}{mod_97(digits)}"
