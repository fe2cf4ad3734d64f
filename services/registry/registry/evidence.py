"""What speaks for two records being of one person, or against it: codes, and the words for people."""

from typing import Literal, get_args

Evidence = Literal[
    "same_name",
    "same_birth_date",
    "letter_case",
    "yo_for_ye",
    "latin_lookalikes",
    "spacing_or_hyphen",
    "name_variant",
    "parts_swapped",
    "patronymic_missing",
    "one_typo_in_last_name",
    "one_typo_in_first_name",
    "one_typo_in_patronymic",
    "last_name_changed",
    "day_and_month_swapped",
    "one_digit_of_birth_date",
    "same_phone",
    "same_email",
    "same_card_number",
    "other_sex",
    "other_card_number",
]
EVIDENCE: tuple[Evidence, ...] = get_args(Evidence)

WORDS: dict[str, str] = {
    "same_name": "The name is the same.",
    "same_birth_date": "The birth date is the same.",
    "letter_case": "The names differ in capitals.",
    "yo_for_ye": "The names differ in ё and е.",
    "latin_lookalikes": "One name has Latin letters that look like Russian ones.",
    "spacing_or_hyphen": "The names differ in a space or a hyphen.",
    "name_variant": "The given names are two forms of one name.",
    "parts_swapped": "Surname, given name and patronymic stand in another order.",
    "patronymic_missing": "One record has no patronymic.",
    "one_typo_in_last_name": "The surnames are one misprint apart.",
    "one_typo_in_first_name": "The given names are one misprint apart.",
    "one_typo_in_patronymic": "The patronymics are one misprint apart.",
    "last_name_changed": "The surname is another one, the rest is the same.",
    "day_and_month_swapped": "Day and month of the birth date are swapped.",
    "one_digit_of_birth_date": "The birth dates differ in one figure.",
    "same_phone": "The phone is the same.",
    "same_email": "The e-mail is the same.",
    "same_card_number": "The number of the old card is the same.",
    "other_sex": "Against it: the sex is another.",
    "other_card_number": "Against it: the numbers of the old cards differ.",
}
