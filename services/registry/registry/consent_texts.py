"""The texts that people consent to, by purpose and version. A text never changes; a new one is a new version."""

import hashlib
from dataclasses import dataclass
from typing import get_args

from common.events.registry import Purpose

CURRENT = "2021-1"


@dataclass(frozen=True)
class ConsentText:
    purpose: Purpose
    version: str
    text: str

    @property
    def text_hash(self) -> str:
        """SHA-256 of the text in UTF-8, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


_COMMON = (
    "Я даю Общероссийскому Профсоюзу образования согласие на обработку моих фамилии, имени, отчества, даты рождения, "
    "пола, телефона, адреса электронной почты и сведений о членстве в Профсоюзе: сбор, запись, хранение, уточнение, "
    "использование и удаление. Цель: {purpose}. Согласие действует до его отзыва; отозвать его можно в личном "
    "кабинете или письменно, без прекращения членства в Профсоюзе."
)
_PURPOSES: dict[Purpose, str] = {
    "membership": "учёт членства в Профсоюзе и защита моих прав и интересов",
    "cards": "выпуск и обслуживание электронного профсоюзного билета",
    "bonus": "участие в бонусной программе PROFCARDS",
    "marketing": "сообщения о программах и предложениях Профсоюза и его партнёров",
}

TEXTS: dict[tuple[str, str], ConsentText] = {
    (purpose, CURRENT): ConsentText(purpose, CURRENT, _COMMON.format(purpose=_PURPOSES[purpose]))
    for purpose in get_args(Purpose)
}
