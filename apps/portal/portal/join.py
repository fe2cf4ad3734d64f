"""«Приём в Профсоюз»: find one's organisation, apply, follow the application by its code."""

import re
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from portal.apis import ApiProblem, Caller
from portal.pages import CallerDep, Form, FormDep, VisitDep, go, page
from portal.sessions import Visit

router = APIRouter()

KINDS = ("school", "preschool", "vocational", "university", "supplementary", "authority", "other")
SEXES = ("female", "male")
CATEGORIES = ("working", "student", "pensioner")
PURPOSES = ("membership", "cards", "bonus", "marketing")
_SHOWN = 20
_SHORTEST = 2
_EVERYDAY = {"школ[аеуы]": "сош", "садик": "детский сад", "институт": "университет"}
_CODE = re.compile(r"[\w\-]{22}")


@router.get("/join")
async def find(
    request: Request,
    caller: CallerDep,
    q: Annotated[str, Query(max_length=200)] = "",
    region: str = "",
    kind: str = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """One's own organisation: likeliest first by words alone, in pages by region and kind."""
    words = q.strip()
    asked = len(words) >= _SHORTEST or bool(region or kind)
    found: list[dict[str, Any]] = []
    following = None
    if asked and not region and not kind:
        for written in (words, as_registered(words)):
            found = await caller.get("registry", "/v1/public/organisation-search", q=written, limit=_SHOWN)
            if found or as_registered(words) == words:
                break
    elif asked:
        answer = await caller.get(
            "registry",
            "/v1/public/organisations",
            q=words if len(words) >= _SHORTEST else None,
            region_id=region or None,
            institution_type=kind if kind in KINDS else None,
            cursor=cursor,
            limit=_SHOWN,
        )
        found, following = answer["items"], answer["next_cursor"]
    values: dict[str, Any] = {
        "q": q, "region": region, "kind": kind, "asked": asked, "found": found, "following": following,
    }  # fmt: skip
    if "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers:
        return page(request, "join/_found.html", **values)
    regions = await _regions(caller)
    return page(request, "join/find.html", regions=regions, kinds=KINDS, **values)


@router.get("/join/follow")
async def follow(request: Request, visit: VisitDep, caller: CallerDep) -> Response:
    """How far the application is whose code this browser has."""
    code = visit.session.follow
    if code is None:
        return page(request, "join/follow.html", form=Form())
    try:
        progress = await caller.anonymous("registry", "/v1/public/application", {"X-Follow-Code": code})
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        visit.session.follow = None
        return page(request, "join/follow.html", 404, form=_unknown(visit, code))
    fresh, visit.session.fresh = visit.session.fresh, False
    return page(request, "join/progress.html", progress=progress, code=code if fresh else None, form=Form())


@router.post("/join/follow")
async def follow_code(request: Request, visit: VisitDep, caller: CallerDep, form: FormDep) -> Response:
    """The code comes in a form and stays in the sealed session: addresses are noted in too many places."""
    if form["other"]:
        visit.session.follow = None
        return go("/join/follow")
    code = form["follow_code"].strip()
    if not _CODE.fullmatch(code):
        form.errors["follow_code"] = visit.t("field.follow_code.wrong")
        return page(request, "join/follow.html", 422, form=form)
    try:
        await caller.anonymous("registry", "/v1/public/application", {"X-Follow-Code": code})
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return page(request, "join/follow.html", 404, form=_unknown(visit, code))
    visit.session.follow, visit.session.fresh = code, False
    return go("/join/follow")


@router.post("/join/withdraw")
async def withdraw(visit: VisitDep, caller: CallerDep, form: FormDep) -> Response:
    body = {"follow_code": visit.session.follow or ""}
    await caller.post("registry", "/v1/public/application/withdraw", body, key=form.key)
    return go("/join/follow")


@router.get("/join/{organisation_id}")
async def fill_in(organisation_id: UUID, request: Request, caller: CallerDep) -> Response:
    return await _application(request, caller, organisation_id, Form())


@router.post("/join/{organisation_id}")
async def send(
    organisation_id: UUID, request: Request, visit: VisitDep, caller: CallerDep, form: FormDep
) -> Response:
    """Sent once, however often the button is pressed or the network repeats it: the form has its key."""
    form.require(visit, "last_name", "first_name", "birth_date", "sex", "category")
    if "membership" not in form.all("consents"):
        form.errors["consents"] = visit.t("error.membership_consent_required")
    phone = normal_phone(form["phone"])
    if form["phone"].strip() and phone is None:
        form.errors["phone"] = visit.t("field.phone.wrong")
    _check_date(visit, form)
    if form.holds:
        try:
            receipt = await caller.post(
                "registry",
                "/v1/applications",
                {
                    "organisation_id": str(organisation_id),
                    "last_name": form["last_name"].strip(),
                    "first_name": form["first_name"].strip(),
                    "patronymic": form["patronymic"].strip() or None,
                    "birth_date": form["birth_date"],
                    "sex": form["sex"],
                    "phone": phone,
                    "email": form["email"].strip() or None,
                    "category": form["category"],
                    "consents": [purpose for purpose in PURPOSES if purpose in form.all("consents")],
                    "consent_text_version": form["text_version"],
                    "check_off": form.ticked("check_off"),
                },
                key=form.key,
            )
        except ApiProblem as problem:
            if problem.status >= 500 or problem.status == 429:
                form.error = visit.t("error.429" if problem.status == 429 else "error.service_away")
            else:
                form.refuse(visit, problem)
        else:
            visit.session.follow, visit.session.fresh, visit.touched = receipt["follow_code"], True, True
            return go("/join/follow")
    return await _application(request, caller, organisation_id, form)


async def _application(request: Request, caller: Caller, organisation_id: UUID, form: Form) -> Response:
    organisation = await caller.get("registry", f"/v1/public/organisations/{organisation_id}")
    texts = {text["purpose"]: text for text in await caller.get("registry", "/v1/public/consent-texts")}
    return page(
        request,
        "join/form.html",
        200 if form.holds else 422,
        organisation=organisation,
        form=form,
        texts=texts,
        purposes=PURPOSES,
        sexes=SEXES,
        categories=CATEGORIES,
        today=date.today().isoformat(),  # noqa: DTZ011 (the latest day that a calendar in the form offers)
    )


def as_registered(words: str) -> str:
    """Everyday words as the registry's names have them: «школа 12» is a «СОШ № 12» there."""
    for everyday, registered in _EVERYDAY.items():
        words = re.sub(rf"\b{everyday}\b", registered, words, flags=re.IGNORECASE)
    return words


async def _regions(caller: Caller) -> list[dict[str, Any]]:
    """All of them, by name: some 85."""
    regions: list[dict[str, Any]] = (await caller.get("registry", "/v1/public/regions", limit=500))["items"]
    return sorted(regions, key=lambda region: str(region["name"]))


def normal_phone(text: str) -> str | None:
    """`8 (913) 123-45-67` as the registry wants it: +79131234567. None for what is no number."""
    digits = re.sub(r"[\s()\-.]", "", text)
    if re.fullmatch(r"8\d{10}", digits):
        digits = "+7" + digits[1:]
    elif re.fullmatch(r"9\d{9}", digits):
        digits = "+7" + digits
    elif re.fullmatch(r"[1-9]\d{10,14}", digits):
        digits = "+" + digits
    return digits if re.fullmatch(r"\+\d{10,15}", digits) else None


def _check_date(visit: Visit, form: Form) -> None:
    if not form["birth_date"]:
        return
    try:
        date.fromisoformat(form["birth_date"])
    except ValueError:
        form.errors["birth_date"] = visit.t("field.birth_date.wrong")


def _unknown(visit: Visit, code: str) -> Form:
    form = Form({"follow_code": code})
    form.errors["follow_code"] = visit.t("error.follow_code_unknown")
    return form
