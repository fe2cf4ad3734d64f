"""Joining in a real browser: with a script and without, by keys alone, over a network that repeats itself."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.portal.conftest import PICTURES, Visitor
from tests.portal.world import SCHOOL, World


def fill_in(page: Any, last_name: str, **more: str) -> None:
    page.get_by_label("Фамилия").fill(last_name)
    page.get_by_label("Имя", exact=True).fill("Ольга")
    page.get_by_label("Дата рождения").fill("1990-05-17")
    page.get_by_label("женский").check()
    page.get_by_label("работаю").check()
    page.get_by_label(re.compile("^Телефон")).fill(more.get("phone", "8 (913) 555-44-33"))
    page.get_by_label(re.compile("^Хранить мои данные")).check()


def waiting(world: World, last_name: str) -> list[Any]:
    queue = world.ask("GET", "registry", "/v1/applications?limit=500", world.centre())["items"]
    return [each for each in queue if each["last_name"] == last_name]


def test_from_the_first_page_to_the_decision(visit: Callable[..., Visitor], world: World) -> None:
    visitor = visit()
    page = visitor.page
    visitor.go("/")
    page.get_by_role("link", name="Вступить в Профсоюз").first.click()
    page.get_by_label("Название").press_sequentially("школа 12", delay=5)
    expect(page.get_by_text(SCHOOL.replace("№ ", "№\xa0"))).to_be_visible()
    page.get_by_role("link", name=re.compile("Выбрать")).first.click()
    # The first press tells what is missing, beside each field.
    page.get_by_role("button", name="Отправить заявление").click()
    expect(page.get_by_role("alert")).to_contain_text("Исправьте отмеченное")
    expect(page.get_by_label("Фамилия")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#consents-error")).to_contain_text("Без согласия на учёт членства")
    page.screenshot(path=PICTURES / "join-errors-ru-phone.png", full_page=True)
    fill_in(page, "Речкина", phone="12")
    page.get_by_role("button", name="Отправить заявление").click()
    expect(page.locator("#phone-error")).to_contain_text("Номер целиком")
    page.get_by_label(re.compile("^Телефон")).fill("8 (913) 555-44-33")
    page.get_by_role("button", name="Отправить заявление").click()
    expect(page.get_by_role("heading", name="Заявление отправлено")).to_be_visible()
    code = page.locator("#code").inner_text()
    page.screenshot(path=PICTURES / "join-sent-ru-phone.png", full_page=True)
    assert code not in page.url
    [application] = waiting(world, "Речкина")
    assert application["phone"] == "+79135554433"
    assert application["consents"] == ["membership"]
    # Reloaded, the page has no code any more, and sends nothing.
    page.reload()
    expect(page.locator("#code")).to_have_count(0)
    assert len(waiting(world, "Речкина")) == 1

    path = f"/v1/applications/{application['application_id']}/admit"
    world.ask("POST", "registry", path, world.centre(), json={"protocol_number": "7"})
    elsewhere = visit("en", "desktop")
    elsewhere.go("/join/follow")
    elsewhere.page.get_by_label("Code of the application").fill("wrong")
    elsewhere.page.get_by_role("button").get_by_text("See the decision").click()
    expect(elsewhere.page.locator("#follow_code-error")).to_contain_text("22 signs")
    elsewhere.page.get_by_label("Code of the application").fill("A" * 22)
    elsewhere.page.get_by_role("button").get_by_text("See the decision").click()
    expect(elsewhere.page.locator("#follow_code-error")).to_contain_text("No application has this code")
    elsewhere.page.get_by_label("Code of the application").fill(code)
    elsewhere.page.get_by_role("button").get_by_text("See the decision").click()
    expect(elsewhere.page.get_by_role("heading", name="You are admitted")).to_be_visible()
    elsewhere.page.screenshot(path=PICTURES / "follow-admitted-en-desktop.png", full_page=True)


def test_it_works_without_a_script(visit: Callable[..., Visitor], world: World) -> None:
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    page.goto(f"{world.portal}/join")
    page.get_by_label("Название").fill("сош 12")
    page.get_by_role("button", name="Найти").click()
    page.get_by_role("link", name=re.compile("Выбрать")).first.click()
    fill_in(page, "Тихонова")
    page.get_by_role("button", name="Отправить заявление").click()
    expect(page.get_by_role("heading", name="Заявление отправлено")).to_be_visible()
    page.get_by_text("Отозвать заявление").first.click()
    page.get_by_role("button", name="Отозвать заявление").click()
    expect(page.get_by_role("heading", name="Вы отозвали заявление")).to_be_visible()
    assert [each["status"] for each in waiting(world, "Тихонова")] in ([], ["withdrawn"])


def test_a_slow_network_that_repeats_a_form_sends_it_once(visit: Callable[..., Visitor], world: World) -> None:
    visitor = visit()
    page = visitor.page
    visitor.go(f"/join/{world.school}")
    fill_in(page, "Дважды")
    sent: list[Any] = []

    def twice(route: Any) -> None:
        # The network delivers the form, loses the answer, and delivers the form again.
        if route.request.method == "POST":
            sent.append(route.fetch(max_redirects=0))
        route.continue_()

    page.route(f"**/join/{world.school}", twice)
    page.get_by_role("button", name="Отправить заявление").dblclick()
    expect(page.get_by_role("heading", name="Заявление отправлено")).to_be_visible()
    assert sent[0].status == 303
    assert len(waiting(world, "Дважды")) == 1


def test_by_keys_alone(visit: Callable[..., Visitor], world: World) -> None:
    """Tab, arrows, space and Enter: from the search to the code, the focus always to be seen."""
    visitor = visit(size="desktop")
    page = visitor.page
    visitor.go("/join")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    reach(page, "q")
    page.keyboard.type("сош 12")
    page.keyboard.press("Enter")
    page.wait_for_selector("a.row")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a.row')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#last_name")
    for name, typed in (("last_name", "Клавишина"), ("first_name", "Ирина"), ("birth_date", "05171990")):
        reach(page, name)
        page.keyboard.type(typed)
    reach(page, "sex")
    page.keyboard.press("Space")
    reach(page, "category")
    page.keyboard.press("Space")
    reach(page, "consents")
    page.keyboard.press("Space")
    reach(page, "button.large")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Заявление отправлено")).to_be_visible()
    assert len(waiting(world, "Клавишина")) == 1


def reach(page: Any, name: str) -> None:
    """By Tab to a field of this name, or to what a selector with a dot names; the focus is drawn on the way."""
    selector = name if "." in name else f"[name={name}]"
    matches = f"document.activeElement.matches('{selector}')"
    for _ in range(60):
        if page.evaluate(matches):
            return
        page.keyboard.press("Tab")
        drawn = page.evaluate(
            """() => {
                const at = document.activeElement, own = getComputedStyle(at);
                const pill = at.nextElementSibling ? getComputedStyle(at.nextElementSibling) : own;
                return at === document.body || [own, pill].some((style) => parseFloat(style.outlineWidth) >= 2);
            }"""
        )
        assert drawn, page.evaluate("document.activeElement.outerHTML")
    raise AssertionError(f"{name} cannot be reached by Tab")
