"""How a page is made: templates, static files by their content's hash, forms and what was wrong with them."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import Response

from portal.apis import ApiProblem, Caller
from portal.i18n import LANGUAGES
from portal.icons import MARK, icon
from portal.security import check_token
from portal.sessions import Visit

NO_STORE = {"Cache-Control": "no-store"}
_HTMX = files("js_lib_htmx") / "static" / "htmx" / "htmx.min.js"


@cache
def static_files() -> dict[str, bytes]:
    """Every static file by its name, read once; htmx comes from its own package."""
    own = {entry.name: entry.read_bytes() for entry in (files("portal") / "static").iterdir() if entry.is_file()}
    return own | {"htmx.js": _HTMX.read_bytes()}


@cache
def static_version() -> str:
    """Changes when any static file does: it stands in their addresses, so browsers keep them for good."""
    digest = hashlib.sha256()
    for name, content in sorted(static_files().items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:12]


def static(name: str) -> str:
    if name not in static_files():
        raise KeyError(name)
    return f"/static/{static_version()}/{name}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("portal"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["kept"] = lambda name: str(name).replace("№ ", "№\N{NO-BREAK SPACE}")
    environment.globals.update(
        static=static,
        icon=icon,
        MARK=MARK,
        new_key=lambda: str(uuid4()),
        languages=LANGUAGES,
        weekdays=lambda t, days: ", ".join(str(t(f"weekday.{day}")) for day in days),
    )
    return environment


def visit_of(request: Request) -> Visit:
    visit: Visit = request.state.visit
    return visit


def caller_of(request: Request, visit: Annotated[Visit, Depends(visit_of)]) -> Caller:
    caller: Caller = request.app.state.apis.of(visit)
    return caller


VisitDep = Annotated[Visit, Depends(visit_of)]
CallerDep = Annotated[Caller, Depends(caller_of)]


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page, or the part of one that htmx asked for: the template decides by `partial`."""
    visit = visit_of(request)
    values = {
        "visit": visit, "t": visit.t, "path": request.url.path, "notice": visit.told(), "partial": is_partial(request),
    } | values  # fmt: skip
    return HTMLResponse(_environment().get_template(template).render(values), status, NO_STORE)


def is_partial(request: Request) -> bool:
    """htmx asks for a part of a page; a visit from history or without script gets the whole."""
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def go(address: str) -> Response:
    """See another page: after a form, so that reloading sends nothing again."""
    return RedirectResponse(address, 303, NO_STORE)


@dataclass
class Form:
    """What a person typed, and what is wrong with it, field by field; `error` is about the whole."""

    values: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    key: str = field(default_factory=lambda: str(uuid4()))
    """The idempotency key: it stays with the form until that is taken, so sending twice does it once."""

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def all(self, name: str) -> list[str]:
        return self.lists.get(name, [])

    def ticked(self, name: str) -> bool:
        return bool(self.values.get(name))

    @property
    def holds(self) -> bool:
        return not self.errors and self.error is None

    def require(self, visit: Visit, *names: str) -> None:
        for name in names:
            if not self[name].strip():
                self.errors[name] = visit.t("field.required")

    def refuse(self, visit: Visit, problem: ApiProblem, names: Mapping[str, str] | None = None) -> None:
        """Put a service's refusal beside the fields that it names, else above the form.

        `names` maps a field of the API's body to the form's, where they differ.
        """
        for wrong in problem.fields:
            name = (names or {}).get(wrong.at, wrong.at)
            if name in self.values:
                self.errors[name] = field_sentence(visit, name)
        if not self.errors:
            self.error = sentence(visit, problem)
        if problem.code == "idempotency_key_reused":
            self.key = str(uuid4())


async def form_of(request: Request, visit: VisitDep) -> Form:
    """A form of ours, its token checked. Raises Forged."""
    data = await request.form(max_files=0, max_fields=200)
    pairs = [(name, value) for name, value in data.multi_items() if isinstance(value, str)]
    values = dict(pairs)
    check_token(visit, values.pop("csrf", None) or request.headers.get("x-csrf-token"))
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    form = Form(values, lists)
    with contextlib.suppress(ValueError):  # a form without a key, or with one that we did not make, has a new one
        form.key = str(UUID(values.get("key", "")))
    return form


FormDep = Annotated[Form, Depends(form_of)]


async def json_of(request: Request, visit: VisitDep) -> dict[str, Any]:
    """The JSON that our own script sent, its token in a header. Raises Forged."""
    check_token(visit, request.headers.get("x-csrf-token"))
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise ApiProblem(422, "request_invalid") from None
    if not isinstance(body, dict):
        raise ApiProblem(422, "request_invalid")
    return body


JsonDep = Annotated[dict[str, Any], Depends(json_of)]


def sentence(visit: Visit, problem: ApiProblem) -> Markup:
    """What a refusal means to a person: our own words for its code, else for its status."""
    t = visit.t
    for key in (f"error.{problem.code}", f"error.{problem.status}"):
        if t.has(key):
            return t(key)
    # Services explain themselves in English: better than nothing there, noise elsewhere.
    return (
        t("error.other_said", said=problem.detail) if t.language == "en" and problem.detail else t("error.other")
    )


def field_sentence(visit: Visit, name: str) -> Markup:
    key = f"field.{name}.wrong"
    return visit.t(key) if visit.t.has(key) else visit.t("field.wrong")
