"""Texts of the check of cards: what a cashier reads."""

TEXTS: dict[str, tuple[str, str]] = {
    "verify.title": ("Проверка билета", "Check a card"),
    "verify.lead": (
        "Наведите камеру на код в телефоне или на пластиковом билете. Открыв страницу один раз, можно проверять без интернета.",
        "Point the camera at the code on the phone or the plastic card. Opened once, the page works without the internet.",
    ),
    "verify.no_script": (
        "Для проверки нужны скрипты: включите их в браузере.",
        "The check needs scripts: switch them on.",
    ),
    "verify.unready": (
        "На этом устройстве ещё нет ключей. Подключитесь к интернету один раз.",
        "This device has no keys yet. Connect to the internet once.",
    ),
    "verify.camera": ("Камера", "Camera"),
    "verify.start": ("Включить камеру", "Start the camera"),
    "verify.denied": (
        "Камера недоступна. Разрешите доступ к ней в настройках браузера или введите код ниже.",
        "The camera is not available. Allow it in the browser’s settings, or enter the code below.",
    ),
    "verify.kept": (
        "Готово к работе без интернета. Список билетов от",
        "Ready to work offline. The list of cards is of",
    ),
    "verify.by_hand": ("Сканер штрих-кодов или ввод вручную", "Barcode scanner or typing"),
    "verify.code": ("Текст кода", "The code’s text"),
    "verify.check": ("Проверить", "Check"),
    "verify.next": ("Следующий", "Next"),
    "verify.privacy": (
        "В коде нет ни имени, ни номера. Страница никуда не отправляет то, что видит камера.",
        "There is no name or number in the code. What the camera sees is sent nowhere.",
    ),
    "verify.green": ("Действует", "Valid"),
    "verify.amber": ("Билет настоящий, но…", "Genuine, but…"),
    "verify.red": ("Не принимать", "Do not accept"),
    "reason.valid": ("Билет действует.", "The card is valid."),
    "reason.status_unknown": (
        "На этом устройстве нет сведений о нём. Подключитесь к интернету и проверьте снова.",
        "This device knows nothing of it. Connect to the internet and check again.",
    ),
    "reason.status_stale": (
        "Список билетов устарел. Подключитесь к интернету и проверьте снова.",
        "The list of cards is out of date. Connect to the internet and check again.",
    ),
    "reason.keys_expired": (
        "Ключи на этом устройстве устарели. Подключитесь к интернету.",
        "The keys on this device are out of date. Connect to the internet.",
    ),
    "reason.not_ready": (
        "Проверить пока нечем: подключитесь к интернету один раз.",
        "There is nothing to check with yet: connect to the internet once.",
    ),
    "reason.browser_too_old": (
        "Этот браузер не умеет проверять такую подпись. Обновите его.",
        "This browser cannot check such a signature. Update it.",
    ),
    "reason.not_a_card": ("Это не код профсоюзного билета.", "This is not the code of a union card."),
    "reason.unreadable": ("Код повреждён или подделан.", "The code is damaged or forged."),
    "reason.algorithm_refused": ("Код подделан.", "The code is forged."),
    "reason.unknown_key": ("Код подписан не Профсоюзом.", "The code was not signed by the union."),
    "reason.signature_wrong": ("Код подделан: подпись неверна.", "The code is forged: its signature is wrong."),
    "reason.expired": ("Срок действия закончился.", "It has expired."),
    "reason.blocked": ("Билет заблокирован.", "The card is blocked."),
    "reason.suspended": ("Билет приостановлен.", "The card is suspended."),
    "reason.not_active": ("Билет ещё не вручён владельцу.", "The card has not reached its holder yet."),
    "reason.proof_missing": (
        "Это копия кода. Попросите открыть билет в телефоне.",
        "This is a copy of the code. Ask to see the card on the phone.",
    ),
    "reason.proof_wrong": ("Код подделан: это не то устройство.", "The code is forged: it is another device."),
    "reason.screenshot": (
        "Это снимок экрана или старый код. Попросите открыть билет в телефоне.",
        "This is a screenshot or an old code. Ask to see the card on the phone.",
    ),
    "reason.clock_ahead": (
        "Часы на телефоне спешат. Попросите поправить время.",
        "The phone’s clock is fast. Ask to set it right.",
    ),
    "reason.replayed": (
        "Этот код уже показывали. Подождите, пока он обновится.",
        "This code was shown already. Wait until it renews itself.",
    ),
}
