"""Every page, two languages, two widths: a picture of it, nothing serious by axe-core, no foreign host."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.portal.conftest import PICTURES, Visitor
from tests.portal.world import Person, World

PUBLIC = {
    "home": "/",
    "join": "/join",
    "join-found": "/join?q=школа+12",
    "join-none": "/join?q=нетакой",
    "join-form": "/join/{school}",
    "follow": "/join/follow",
    "verify": "/verify",
    "offline": "/offline",
    "missing": "/nothing-here",
    "sign-in": "/sign-in",
}
OWN = {
    "me": "/member",
    "card": "/member/card",
    "cashback": "/member/cashback",
    "statement": "/member/cashback/statement",
    "partners": "/member/partners",
    "data": "/member/data",
}
WEIGHT = 150 * 1024
"""Bytes of a page with all its files, before pictures, as they are sent."""


def serious(page: Any) -> list[str]:
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    return [
        f"{each['id']}: {node['html'][:160]}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical", "moderate")
        for node in each["nodes"]
    ]


def looked_at(visitor: Visitor, name: str, path: str, mark: str) -> None:
    visitor.go(path)
    if name == "card":
        visitor.page.wait_for_selector("[data-qr] svg")
    PICTURES.mkdir(parents=True, exist_ok=True)
    visitor.page.screenshot(path=PICTURES / f"{name}-{mark}.png", full_page=True)
    assert serious(visitor.page) == []
    wide = visitor.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "the page is wider than the screen"


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_public_pages(visit: Callable[..., Visitor], world: World, language: str, size: str) -> None:
    visitor = visit(language, size)
    for name, path in PUBLIC.items():
        looked_at(visitor, name, path.format(school=world.school), f"{language}-{size}")


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_members_pages(
    visit: Callable[..., Visitor], world: World, language: str, size: str, anna: Person
) -> None:
    _free_devices(world, anna)
    visitor = visit(language, size)
    visitor.sign_in(anna)
    for name, path in OWN.items():
        looked_at(visitor, name, path, f"{language}-{size}")


def test_in_the_dark(visit: Callable[..., Visitor], world: World, anna: Person) -> None:
    _free_devices(world, anna)
    visitor = visit(color_scheme="dark")
    for name, path in PUBLIC.items():
        looked_at(visitor, name, path.format(school=world.school), "ru-phone-dark")
    visitor.sign_in(anna)
    for name, path in OWN.items():
        looked_at(visitor, name, path, "ru-phone-dark")


def test_no_page_weighs_more_than_its_limit(visit: Callable[..., Visitor], world: World, anna: Person) -> None:
    _free_devices(world, anna)
    visitor = visit(service_workers="block")
    visitor.sign_in(anna)
    devtools = visitor.context.new_cdp_session(visitor.page)
    devtools.send("Network.enable")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    weights: dict[str, float] = {}
    total = 0.0

    def arrived(event: dict[str, Any]) -> None:
        nonlocal total
        total += event["encodedDataLength"]

    devtools.on("Network.loadingFinished", arrived)
    for name, path in (PUBLIC | OWN).items():
        total = 0.0
        visitor.go(path.format(school=world.school))
        weights[name] = total
    heaviest = max(weights, key=lambda name: weights[name])
    print(f"the heaviest page: {heaviest}, {weights[heaviest] / 1024:.0f} KB")
    assert weights[heaviest] < WEIGHT, weights


def test_the_second_view_needs_no_network(visit: Callable[..., Visitor], world: World) -> None:
    """Files come from the service worker, so does the page of the check."""
    visitor = visit()
    visitor.go("/verify")
    visitor.kept()
    begun = time.perf_counter()
    visitor.context.set_offline(True)
    visitor.page.goto(f"{world.portal}/verify")
    assert visitor.page.locator("h1").inner_text() == "Проверка билета"
    print(f"the second view: {(time.perf_counter() - begun) * 1000:.0f} ms")
    visitor.page.goto(f"{world.portal}/member/data")
    assert visitor.page.locator("h1").inner_text() == "Нет связи"


def _free_devices(world: World, person: Person) -> None:
    """A card is on two devices at most, and every browser here is a new one."""
    token, card = world.own(person), world.card(person)["card_id"]
    for device in world.ask("GET", "cards", f"/v1/cards/{card}/devices", token)["items"]:
        if device["revoked_at"] is None:
            world.ask("POST", "cards", f"/v1/cards/{card}/devices/{device['device_id']}/revoke", token)
