# ruff: noqa: E501 - a dictionary reads by entries, not by lines
"""Words of offices: headings, totals, signatures, organisations.

Every pattern is searched in folded text (`texts.fold_heading`): lower case, ё as е, no punctuation but «№».
"""

import re
from typing import Literal

Field = Literal[
    "full_name", "last", "first", "patronymic", "first_patronymic", "sex", "birth_date", "phone", "email",
    "organisation", "category", "card_number", "joined_on", "organisation_code",
]  # fmt: skip

# A heading may fit several fields («Дата рождения члена профсоюза», «№ телефона»): the first fit of the list wins.
_MEMBER_HEADINGS: tuple[tuple[Field | None, str], ...] = (
    (None, r"^(?:№|n|no|#)? ?п ?п$|^(?:№|n|no|#|№ ?№|id|num|number|пн|номер|порядковый номер|№ строки)$"),
    ("email", r"e ?mail|\bmail\b|почт|эл\w* адрес|мейл|емейл|имейл|@"),
    (None, r"снилс|паспорт|\bинн\b|snils|passport|адрес|address|прописк|должност|position|образовани[ея]$"),
    (None, r"выдан|выдач|обмен|снят|выбы|исключ|прекращ|окончан|увольн|примеч|коммент|note|remark|comment|подпис"),
    (None, r"взнос|зарплат|оклад|стаж|стипенд|оплат|удержан|возраст|^age$|полных лет|место рожд|birth ?place|предмет"),
    ("phone", r"телефон|\bтел\b|\btel\b|\bсот\b|phone|mobile|\bмоб\b|мобильн|сотов|контакт|\bcell\b|whatsapp|связ"),
    ("birth_date", r"рожд|\bрожд|birth|\bд ?р\b|\bдр\b|\bdob\b|\bг ?р\b|\bb ?day\b|родил|\bborn\b|\bд рож"),
    ("card_number", r"билет|\bкарт(?:а|ы|очк)|\bcard|\bпб\b|\bэ?е?пб\b|\bп б\b|удостоверен|\bчб\b|ticket|профбил|member\w* (?:no|id|number|№)"),
    (None, r"(?:прием|принят|поступ|трудоустр|найм)\w* (?:на|в) (?:работ|должн|учеб|штат|вуз|школ|университет|институт)|hire"),
    ("joined_on", r"вступ|принят|прием|приня|постанов|joined|join|since|admi(?:ssion|tted)|член\w* (?:профсоюза )?с\b|начал\w* член|entry|состоит|\bучет с\b"
                  r"|в профсоюзе с|дата учета|вступл|с какого|member from|enrol|зачисл|год профсоюз"),
    ("sex", r"^пол$|^sex$|gender|^м ж$|муж жен|^пол \w{1,4} \w{1,4}$|^пол\b"),
    ("category", r"категор|социальн\w* (?:полож|стат)|вид членств|тип член|вид член|соц\w* полож"),
    ("last", r"^фам\w*(?: (?:член|работник|сотрудник|студент|обучающ|педагог)\w*)?(?: (?:профсоюз|ппо|организац)\w*)?$"),
    ("full_name", r"ф ?и ?о\b|фио|fio|фамил\w* (?:и )?(?:имя|и|инициал)|полное имя|full ?name|^name$|член\w* (?:профсоюз|ппо)"
                  r"|^(?:сотрудник|работник|член|студент|обучающийся|employee|member|person)$|фамил\w* и ?о|имя фамил"
                  r"|member ?name|name of|участник|person name|^имена$"),
    ("first_patronymic", r"имя (?:и )?отч|^и о$|^имя о$|first (?:and )?middle"),
    ("patronymic", r"отчеств|patronym|middle|second ?name|^отч$|^о$|otch"),
    ("last", r"фамил|surname|last ?name|family|^фам$|^ф$|famili"),
    ("first", r"^имя|\bимя$|first ?name|given|^и$|forename|^name first|imya"),
    ("organisation_code", r"код (?:ппо|орг|перв|учреж)|(?:org\w*|unit|ppo) ?(?:code|id)\b|^код$"),
    ("category", r"катег|\bкат\b|статус|status|category|вид член|тип член|род занят|занятост|работник студент|кем является"
                 r"|соц\w* (?:полож|стат|груп)|группа учета|^группа$|^кто$|^тип$|^вид$|^class|^type|member ?type|occupation|контингент"),
    ("organisation", r"организац|учрежд|\bппо\b|первич|мест\w* (?:работ|учеб|основной)|школа|работодат|\borg|compan|institut"
                     r"|employer|workplace|наименован|подраздел|профгрупп|профком|коллектив|место раб|\bоу\b|\bоо\b|\bдоу\b|^где"
                     r"|unit|branch|ppo|работает|школ[аы]?$|\bschool\b|учета$|садик|детский сад|вуз|факультет|названи"),
)  # fmt: skip

MEMBER_HEADINGS: tuple[tuple[Field | None, re.Pattern[str]], ...] = tuple(
    (field, re.compile(pattern)) for field, pattern in _MEMBER_HEADINGS
)

TOTALS = re.compile(
    r"^(?:итог|итого|всего|всего по|общее (?:количество|число)|количество|кол ?во|в т ч|в том числе|из них|подытог"
    r"|total|subtotal|sum|grand total|count)(?:\b|\d)"
)
SIGNATURES = re.compile(
    r"^(?:председател|зам\w* председ|подпис|м п$|мп$|исполнител|ответствен|составил|директор|заведующ|руководител"
    r"|секретар|бухгалтер|казначе|утвержда|согласован|примечан|дата составл|дата заполн|по состоянию|список|реестр"
    r"|проверил|сверено|верно$|ректор|тел исп|signature|chair(?:man|person)?\b|signed|approved|stamp)\w*"
)
SIGNATURE_LINE = re.compile(r"_{4,}|/\s*подпись\s*/|\(подпись\)|м\.\s?п\.")

# Marks of an organisation's name within a title, a section row or a cell.
ORGANISATION = re.compile(
    r"\bппо\b|первичн\w* (?:профсоюз\w* )?организ|профсоюз\w* организ|профком|профбюро|профгрупп"
    r"|\b[мгфчнбак]{0,3}[бак]?[дну]?[оу]{1,2}у?\b(?= ?(?:до|дпо|впо|спо|\W))|\bм[бка]д?оу\b|\bг[бка]п?оу\b|\bфг\w{2,5}\b"
    r"|\bм[бка]у\b|\bг[бка]у\b|\bсош\b|\bоош\b|\bнош\b|\bдюц\b|\bдюсш\b|\bддт\b|\bцрр\b|\bсдк\b"
    r"|школ|гимнази|лице[йя]|детск\w* сад|университет|институт|колледж|техникум|училищ|академи|интернат|кадетск"
    r"|дворец|дом (?:детск|творч)|центр|\bschool\b|kindergarten|university|college"
)

PATRONYMIC = re.compile(
    r"(?:[оеё]вич|[ьи]ич|[кмнфтл]ич|[оеё]вна|ична|инична|мична)$|^(?:\w+[ -])?(?:оглы|кызы|улы|угли|гызы|уулу)$"
)
SURNAME = re.compile(
    r"(?:[оеё]ва?|[иы]на?|ск(?:ий|ая|ой)|цк(?:ий|ая|ой)|[ое]нко|чук|юк|ая|их|ых|швили|дзе|ян|янц|ко|ый|ман|берг|штейн|ец|ич|ук)$"
)
