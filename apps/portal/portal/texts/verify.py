"""Texts of the check of cards."""

TEXTS: dict[str, tuple[str, str]] = {
    "verify.title": ("Проверка билета", "Check a card"),
}
