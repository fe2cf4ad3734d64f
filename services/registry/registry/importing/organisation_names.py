# ruff: noqa: E501 - a dictionary reads by entries, not by lines
"""Organisations' names: from many spellings to comparable words."""

import re
from functools import lru_cache

from registry.importing.texts import fold

_QUOTES = re.compile("[«»\"“”„‟'’`‘<>]+")
_NUMBER_SIGN = re.compile(r"(?:№|\bn(?:o|r)?\.?|#|\bномер\b)\s*(?=\d)")
_WORDS = re.compile(r"\d+|[^\W\d_]+")

# Said of an organisation beside its own name: what it is in the union, and its legal form.
_UNION_WORDS = re.compile(
    r"\b(?:ппо|п п о|первичн\w* профсоюзн\w* организаци\w*|первичн\w* организаци\w* профсоюза?|первичк\w*"
    r"|профсоюзн\w* организаци\w*|первичн\w* организаци\w*|профком|профсоюзн\w* комитет|primary trade union organi[sz]ation)\b"
)
_LEGAL_FORMS = re.compile(
    r"\b(?:(?:федеральн|краев|областн|муниципальн|государственн|городск|районн|негосударственн|частн|автономн|бюджетн"
    r"|казенн|общеобразовательн|дошкольн|образовательн|профессиональн|дополнительн|некоммерческ)\w*\s+)*"
    r"(?:учреждени|организаци)\w*(?:\s+(?:высшего|среднего|дополнительного|профессионального)*\s*(?:профессионального\s+)?"
    r"образования(?:\s+детей|\s+взрослых)?)?"
)
_ABBREVIATIONS = """
адоу ано аоу ау бдоу боу бпоо бпоу бсоу бу будо во впо гаоу гапоу гау гбдоу гбоу гбпоу гбу гбудо
гкоу гкпоу гку гоу гпоу до дод дополнительного доу дпо зато кгбоу кгбпоу кдоу коу ку мадоу маду маоу
маоудо мау маудо мбдоу мбду мбоу мбоудо мбсош мбу мбудо мбудод мбусо мдоу мкдоу мкду мкоош мкоу
мксош мку мкудо моош моу моудо мсош му ноу нпо обпоу образования огбоу огбпоу одо оу по спо удо
фгаоу фгбоу фгкоу фгоу чоу
"""
_LEGAL_ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Longer phrases first: each becomes the short word that the schools themselves use.
_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), short)
    for pattern, short in (
        (r"средн\w* (?:полн\w* )?(?:общеобразовательн\w* )?школ\w*|ср(?:едн)? ?шк\w*|\bсш\b", "сош"),
        (r"основн\w* (?:общеобразовательн\w* )?школ\w*|\bош\b", "оош"),
        (r"начальн\w* (?:общеобразовательн\w* )?школ\w*", "нош"),
        (
            r"детск\w* сад\w*(?: комбинированного вида| общеразвивающего вида)?|\bд ?с\b|\bд сад\b|\bдетсад\w*|\bдсад\b|\bсадик\b",
            "детсад",
        ),
        (r"центр\w* развития ребенка", "црр"),
        (r"детск\w* юношеск\w* спортивн\w* школ\w*", "дюсш"),
        (r"детск\w* юношеск\w* центр\w*", "дюц"),
        (r"дом\w* детск\w* творчества", "ддт"),
        (r"центр\w* детск\w* творчества", "цдт"),
        (r"дворец творчества(?: детей и молодежи)?", "двтворч"),
        (r"станци\w* юн\w* натуралист\w*", "сюн"),
        (r"станци\w* юн\w* техник\w*", "сют"),
        (r"детск\w* музыкальн\w* школ\w*", "дмш"),
        (r"детск\w* школ\w* искусств\w*", "дши"),
        (r"школ\w* интернат\w*", "интернат"),
        (r"средн\w* школ\w*", "сош"),
        (r"гос(?:ударственн\w*)? ?университет\w*", "госуниверситет"),
        (r"гос(?:ударственн\w*)? ?(пед\w*|мед\w*|тех\w*|аграрн\w*) ?университет\w*", r"\1 госуниверситет"),
        (r"\bпед(?:агогическ\w*)?\b", "педагогический"),
        (r"\bмед(?:ицинск\w*)?\b", "медицинский"),
        (r"\bработ(?:ников|ники|никам)\b|\bсотрудник\w*|\bпреподавател\w*", "работников"),
        (r"\bобучающ\w*|\bстудент\w*|\bучащ\w*|\bстуд\b", "обучающихся"),
        (r"\bимени\b", "им"),
    )
)
_PLACE_WORDS = re.compile(
    r"(?:\b\w+(?:ого|его|ой|ей|ая|ий|ый|ое)\s+)?\b(?:муниципальн\w* (?:района?|округа?|образовани[ея])|района?"
    r"|област[ьи]|края?|республики|городского округа|округа?)\b|\bр н\b|\bобл\b"
    r"|\b(?:города?|гор|село|села|пос[её]л(?:ок|ка)|пос|пгт|деревн[яи]|станиц[аы])\b|\b[гспд]\b|\bст\b|\bрф\b|\bроссии\b"
    r"|\bобщероссийск\w* профсоюза? образования\b|\bпрофсоюза образования\b"
)
_ENDINGS = re.compile(
    r"(?:ского|скому|ским|ском|ская|ской|скую|ский|ское|ские|ских|ого|ому|ыми|ими|ый|ий|ой|ая|яя|ое|ее|ые|ие|ых|их"
    r"|ами|ями|ов|ев|ей|ам|ям|ах|ях|ом|ем|ою|ею|[аеиоуыьюя])$"
)


@lru_cache(maxsize=65536)
def plain(name: str) -> str:
    """Folded words: no quotation marks, «№ 5» = «№5» = «N5» = «5», dots and hyphens are spaces."""
    text = _NUMBER_SIGN.sub(" ", _QUOTES.sub(" ", fold(name)))
    return " ".join(word.lstrip("0") or "0" for word in _WORDS.findall(text))


def without_union_words(text: str) -> str:
    """`plain` text without «ППО», «первичная профсоюзная организация» and the like."""
    stripped = " ".join(_UNION_WORDS.sub(" ", text).split())
    return stripped or text


@lru_cache(maxsize=65536)
def core(text: str) -> str:
    """`plain` text as the name proper: without union words, legal forms; usual phrases shortened."""
    text = without_union_words(text)
    for pattern, short in _PHRASES:
        text = pattern.sub(short, text)
    bare = _LEGAL_FORMS.sub(" ", text)
    words = [word for word in bare.split() if word not in _LEGAL_ABBREVIATIONS]
    return " ".join(words) or text


def without_places(text: str) -> str:
    """`core` text without «… района … области», «г. …» and the like, said beside a name."""
    stripped = " ".join(_PLACE_WORDS.sub(" ", text).split())
    return stripped or text


def stems(text: str) -> frozenset[str]:
    """The words of a `core` text without their endings: «Азовская» and «Азовской» are one."""
    return frozenset(stem(word) for word in text.split())


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    if word.isdigit() or len(word) < 5:
        return word
    cut = _ENDINGS.sub("", word)
    return cut.removesuffix("ск") if len(cut) > 6 else cut
