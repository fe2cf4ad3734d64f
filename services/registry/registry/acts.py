"""The act of an erasure: what was removed, where, when and by whom; what is kept, and why. No personal data."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

CATEGORIES = (
    "фамилия, имя, отчество; дата рождения; пол; телефон; адрес электронной почты; "
    "номер прежнего профсоюзного билета"
)
SYSTEM = "Реестр (registry), база данных PostgreSQL"


class Removal(BaseModel):
    """One place that was emptied: a table, what was removed there, how many rows."""

    place: str
    what: str
    rows: int


class Kept(BaseModel):
    """What stays, and why it no longer leads to the person."""

    what: str
    why: str


class Act(BaseModel):
    erasure_id: UUID
    request_number: str
    member_ids: list[UUID]
    erased_at: datetime
    requested_by: str
    approved_by: str
    reapplied: bool = Field(default=False, description="Done again after a restore from a backup.")
    system: str = SYSTEM
    categories: str = CATEGORIES
    removals: list[Removal]
    kept: list[Kept]
    similar: list[UUID] = Field(
        description="Records of the same name and birth date that nobody has found to be of this person; they stay."
    )
    told: dict[str, int] = Field(description="The event member_erased by member, with the version it carries.")


class Told(BaseModel):
    """Whether the broker has acknowledged the event that tells the other services to forget the member."""

    member_id: UUID
    version: int
    sent: bool


def text_of(act: Act, told: list[Told]) -> str:
    """The act as a document for the file, in Russian: Roskomnadzor's order 179 of 28.10.2022 names its contents."""
    lines = [
        f"АКТ № {act.erasure_id}",
        "об уничтожении персональных данных",
        "",
        f"Дата и время уничтожения (UTC): {act.erased_at:%d.%m.%Y %H:%M:%S}",
        f"Основание: обращение (решение) № {act.request_number}",
        f"Субъект персональных данных (учётные записи): {', '.join(map(str, act.member_ids))}",
        f"Запросил: {act.requested_by}",
        f"Утвердил: {act.approved_by}",
        f"Информационная система: {act.system}",
        f"Категории уничтоженных данных: {act.categories}",
        "Способ уничтожения: удаление записей из базы данных без возможности восстановления средствами системы",
    ]
    if act.reapplied:
        lines.append("Уничтожение повторено после восстановления базы из резервной копии.")
    lines += ["", "Выгрузка из журнала:"]
    lines += [f"  {n}. {item.place}: {item.what} — строк: {item.rows}" for n, item in enumerate(act.removals, 1)]
    lines += ["", "Сохранено без связи с субъектом:"]
    lines += [f"  - {item.what}: {item.why}" for item in act.kept]
    if act.similar:
        lines.append("Остались записи с тем же именем и датой рождения, не признанные записями этого лица:")
        lines += [f"  - {member_id}" for member_id in act.similar]
    lines += ["", "Оповещение других систем (событие registry.member_erased.v1):"]
    for item in told:
        state = "передано" if item.sent else "ожидает передачи"
        lines.append(f"  - {item.member_id}, версия {item.version}: {state}")
    return "\n".join(lines) + "\n"
