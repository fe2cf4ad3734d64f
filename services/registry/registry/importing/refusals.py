"""Why a whole file is refused: stable codes, and sentences for its sender that say what to do."""

REFUSALS_RU = {
    "file_empty": "Файл пуст — проверьте, тот ли файл отправлен, и пришлите его снова.",
    "file_too_large": "Файл больше 128 МБ — разделите его на части по районам.",
    "file_password_protected": (
        "Файл защищён паролем — снимите пароль (Файл → Сведения → Защита книги), сохраните и пришлите снова."
    ),
    "file_corrupt": (
        "Файл повреждён — откройте его в Excel, сохраните как «Книга Excel (.xlsx)» и пришлите снова."
    ),
    "file_format_unknown": (
        "Это не таблица Excel, OpenDocument или CSV — сохраните реестр как .xlsx и пришлите снова."
    ),
    "sheet_too_large": (
        "Лист слишком велик: есть заполненная ячейка далеко за таблицей или строк больше, чем читается за раз — "
        "удалите пустые строки и столбцы после таблицы, разделите большой реестр на части и сохраните снова."
    ),
    "register_not_found": (
        "В файле нет таблицы с фамилиями и датами рождения — проверьте, тот ли файл отправлен, "
        "и подпишите столбцы: «ФИО», «Дата рождения», «Организация»."
    ),
    "organisations_not_found": (
        "Не найдена таблица организаций — нужны столбцы «Наименование» и «Вид организации»."
    ),
}


class UnreadableFile(Exception):
    """The whole file is refused: `code` is stable, `message_ru` tells its sender what to do."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message_ru = REFUSALS_RU[code]


def protected() -> UnreadableFile:
    return UnreadableFile("file_password_protected")


def corrupt() -> UnreadableFile:
    return UnreadableFile("file_corrupt")


def unknown_format() -> UnreadableFile:
    return UnreadableFile("file_format_unknown")


def too_large() -> UnreadableFile:
    return UnreadableFile("sheet_too_large")
