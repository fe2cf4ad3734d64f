"""A real stack, started once, and Debian's Chromium: `make test-portal`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from local_stack import Issuer, Ports
from tests.portal.world import Person, World, eventually

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "portal"
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}
ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The stack on free ports in a folder of its own, with a school, a shop and nobody yet."""
    data = ROOT / "build" / "portal-stack"
    ports = asdict(Ports.free())
    environment = {
        **os.environ,
        "UNION_DATA": str(data),
        **{f"UNION_PORT_{name.upper()}": str(port) for name, port in ports.items()},
    }
    union = [sys.executable, "-m", "union"]
    subprocess.run([*union, "down", "--drop"], env=environment, cwd=ROOT, check=False, capture_output=True)
    shutil.rmtree(data, ignore_errors=True)
    try:
        subprocess.run([*union, "up"], env=environment, cwd=ROOT, check=True, capture_output=True)
        made = World(ports, Issuer(data))
        made.build()
        yield made
    finally:
        subprocess.run([*union, "down", "--drop"], env=environment, cwd=ROOT, check=False, capture_output=True)


@pytest.fixture(scope="session")
def anna(world: World) -> Person:
    """A member with everything: a card, purchases, money. Tests only look at her."""
    person = world.member("Лескова", "Анна")
    world.shopper(person)
    return person


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    assert path, "Chromium is needed; install it (Debian: chromium) or name it in CHROMIUM"
    browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    yield browser
    browser.close()


class Visitor:
    """One person's browser: its pages may ask no other host and log no error."""

    def __init__(self, world: World, context: BrowserContext) -> None:
        self.world, self.context = world, context
        self.complaints: list[str] = []
        self.foreign: set[str] = set()
        context.on("request", self._asked)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", self._said)
        self.page: Page = context.new_page()

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.world.portal, "data:", "blob:")):
            self.foreign.add(request.url)

    def _said(self, message: Any) -> None:
        # A refused form is a page with status 422: Chromium logs each, and it is no mistake of the page.
        if message.type == "error" and not re.search(r"status of 4\d\d|ERR_INTERNET_DISCONNECTED", message.text):
            self.complaints.append(message.text)

    def go(self, path: str) -> Any:
        answer = self.page.goto(self.world.portal + path)
        self.page.wait_for_load_state("networkidle")
        return answer

    def until(self, script: str, argument: Any = None) -> None:
        """Until a script's value is true. Playwright's own way makes functions of texts, which the policy forbids."""
        eventually(lambda: self.page.evaluate(script, argument), script)

    def kept(self) -> None:
        """Until the service worker serves the pages."""
        self.until("navigator.serviceWorker.controller !== null")

    def sign_in(self, person: Person) -> None:
        """As a person does: by the button, over the provider's page."""
        self.page.goto(f"{self.world.portal}/sign-in?next=/member")
        address = self.page.url.replace("/authorize?", "/choose?")
        self.page.goto(f"{address}&subject=member-{person.member_id}&roles=member&member_id={person.member_id}")
        self.page.wait_for_url("**/member")

    def check(self) -> None:
        assert not self.foreign, f"asked foreign hosts: {self.foreign}"
        assert not self.complaints, self.complaints


@pytest.fixture
def visit(world: World, browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes a visitor: language, size, and whatever else a browser context takes."""
    made: list[Visitor] = []

    def visitor(language: str = "ru", size: str = "phone", **options: Any) -> Visitor:
        context = browser.new_context(
            locale="ru-RU" if language == "ru" else "en-GB", viewport=SIZES[size], **options
        )
        context.set_default_timeout(20_000)
        made.append(Visitor(world, context))
        return made[-1]

    yield visitor
    for each in made:
        each.context.close()
    for each in made:
        each.check()
