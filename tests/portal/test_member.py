"""The member's journeys: the live card with and without a network, lost and found, data, money, leaving."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import expect

from tests.portal.conftest import PICTURES, Visitor
from tests.portal.world import World, eventually
from union_card_verifier import KeySet, StatusList, verify


def verdict(world: World, text: str) -> tuple[str, str]:
    """What the union's own verifier says, with what the cards service publishes now."""
    keys = KeySet.read(world.ask("GET", "cards", "/.well-known/jwks.json"))
    listed = StatusList.read(world.ask("GET", "cards", "/v1/status-list"), keys)
    said = verify(text, keys, datetime.now(UTC), listed)
    return said.colour, said.reason


def shown(page: Any) -> str:
    page.wait_for_selector("[data-qr] svg")
    return str(page.get_attribute("[data-qr]", "data-text"))


def test_the_card_works_without_a_network_and_renews_itself(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Билетова", "Вера")
    world.card(person)
    visitor = visit()
    page = visitor.page
    visitor.sign_in(person)
    page.get_by_role("link", name="Показать билет").click()
    first = shown(page)
    assert first.startswith("UP1:")
    assert verdict(world, first) == ("green", "valid")
    # The private half is here and cannot be taken out.
    kept = page.evaluate(
        """async () => {
            const done = (request) => new Promise((good) => { request.onsuccess = () => good(request.result); });
            const database = await done(indexedDB.open("card", 1));
            const all = await done(database.transaction("values").objectStore("values").getAll());
            let taken = true;
            try { await crypto.subtle.exportKey("jwk", all[0].keys.privateKey); } catch { taken = false; }
            return { count: all.length, extractable: all[0].keys.privateKey.extractable, taken };
        }"""
    )
    assert kept == {"count": 1, "extractable": False, "taken": False}
    visitor.kept()
    visitor.go("/member/card")
    visitor.context.set_offline(True)
    page.goto(f"{world.portal}/member/card")
    second = shown(page)
    expect(page.get_by_text("Нет связи.")).to_be_visible()
    page.screenshot(path=PICTURES / "card-offline-ru-phone.png", full_page=True)
    assert verdict(world, second) == ("green", "valid")
    page.clock.install()
    page.reload()
    third = shown(page)
    page.clock.run_for(17_000)
    visitor.until("(before) => document.querySelector('[data-qr]').dataset.text !== before", third)
    visitor.context.set_offline(False)


def test_without_a_script_there_is_a_code_of_some_minutes(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Простая", "Нина")
    world.card(person)
    visitor = visit(java_script_enabled=False)
    visitor.sign_in(person)
    visitor.page.goto(f"{world.portal}/member/card")
    picture = visitor.page.locator("noscript img")
    answer = visitor.page.request.get(world.portal + str(picture.get_attribute("src")))
    assert answer.headers["content-type"].startswith("image/svg+xml")


def test_lost_blocked_new(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Потеряева", "Зоя")
    old = world.card(person)
    visitor = visit()
    page = visitor.page
    visitor.sign_in(person)
    page.goto(f"{world.portal}/member/card")
    text = shown(page)
    page.get_by_role("button", name=re.compile("приостановить")).click()
    expect(page.get_by_text("Билет приостановлен.")).to_be_visible()
    page.get_by_role("button", name="Билет нашёлся, включить").click()
    expect(page.get_by_text("Билет снова действует.")).to_be_visible()
    page.get_by_text("Заблокировать билет").click()
    page.get_by_role("button", name="Я потерял(а) телефон").click()
    expect(page.get_by_role("heading", name="Билет заблокирован")).to_be_visible()
    page.screenshot(path=PICTURES / "card-blocked-ru-phone.png", full_page=True)
    eventually(lambda: verdict(world, text)[1] in ("blocked", "screenshot"), "the block in the status list")
    page.get_by_role("button", name="Получить новый билет").click()
    expect(page.get_by_text("Новый билет готов.")).to_be_visible()
    assert verdict(world, shown(page))[0] in ("green", "amber")
    assert world.card(person)["card_id"] != old["card_id"]


def test_two_devices_and_no_third(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Многова", "Алла")
    world.card(person)
    for _ in range(2):
        visitor = visit()
        visitor.sign_in(person)
        visitor.page.goto(f"{world.portal}/member/card")
        shown(visitor.page)
    third = visit()
    third.sign_in(person)
    third.page.goto(f"{world.portal}/member/card")
    expect(third.page.get_by_text("Билет уже на двух устройствах.")).to_be_visible()
    third.page.get_by_role("button", name=re.compile("^Отключить")).first.click()
    expect(third.page.get_by_text("Устройство отключено.")).to_be_visible()
    shown(third.page)


def test_data_consents_extract_and_leaving(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Уходова", "Лидия", ("membership",))
    visitor = visit(size="desktop")
    page = visitor.page
    visitor.sign_in(person)
    page.goto(f"{world.portal}/member/card")
    expect(page.get_by_text("Билета пока нет")).to_be_visible()
    page.screenshot(path=PICTURES / "card-none-ru-desktop.png", full_page=True)
    page.get_by_role("button", name="Дать согласие и получить билет").click()
    expect(page.get_by_text("Согласие дано.", exact=True)).to_be_visible()
    world.card(person)
    page.goto(f"{world.portal}/member/data")
    page.get_by_label(re.compile("^Телефон")).fill("никакой")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator("#phone-error")).to_contain_text("Номер целиком")
    page.get_by_label(re.compile("^Телефон")).fill("8 913 000-00-01")
    page.get_by_label(re.compile("^Электронная почта")).fill("lidia@example.org")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.get_by_text("Контакты сохранены.")).to_be_visible()
    mine = world.ask("GET", "registry", f"/v1/members/{person.member_id}", world.own(person))
    assert (mine["phone"], mine["email"]) == ("+79130000001", "lidia@example.org")

    with page.expect_download() as download:
        page.get_by_role("link", name="Скачать выписку").click()
    extract = json.loads(download.value.path().read_bytes())
    assert extract["person"]["last_name"] == "Уходова"

    page.get_by_text("Отозвать: Электронный билет").click()
    page.get_by_role("button", name="Отозвать").click()
    expect(page.get_by_text("Согласие отозвано.")).to_be_visible()
    page.get_by_role("group").get_by_text("Выйти из Профсоюза").first.click()
    page.get_by_role("button", name="Выйти из Профсоюза").click()
    expect(page.locator("#sure-error")).to_contain_text("Отметьте")
    page.get_by_label("Да, я выхожу из Профсоюза").check()
    page.get_by_role("button", name="Выйти из Профсоюза").click()
    expect(page.get_by_text(re.compile("Членство закончилось"))).to_be_visible()
    page.screenshot(path=PICTURES / "me-left-ru-desktop.png", full_page=True)


def test_a_change_meanwhile_is_told_and_nothing_is_lost(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Сменова", "Яна")
    visitor = visit()
    page = visitor.page
    visitor.sign_in(person)
    page.goto(f"{world.portal}/member/data")
    path, token = f"/v1/members/{person.member_id}", world.own(person)
    version = world.ask("GET", "registry", path, token)["version"]
    world.ask(
        "PATCH", "registry", path, token, json={"email": "x@example.org"}, headers={"If-Match": f'"{version}"'}
    )
    page.get_by_label(re.compile("^Телефон")).fill("+79130000002")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.get_by_role("alert")).to_contain_text("запись изменилась")
    expect(page.get_by_label(re.compile("^Телефон"))).to_have_value("+79130000002")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.get_by_text("Контакты сохранены.")).to_be_visible()


def test_cashback_from_consent_to_payout(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Покупаева", "Римма", ("membership", "cards"))
    world.card(person)
    visitor = visit()
    page = visitor.page
    visitor.sign_in(person)
    page.goto(f"{world.portal}/member/cashback")
    page.get_by_role("button", name="Дать согласие и участвовать").click()
    expect(page.get_by_text("Вы участвуете в бонусной программе.")).to_be_visible()
    page.get_by_role("link", name="Партнёры").click()
    page.get_by_role("button", name=re.compile("Перейти в магазин")).first.click()
    shop = page.get_by_role("link", name="Открыть магазин")
    address = str(shop.get_attribute("href"))
    page.screenshot(path=PICTURES / "click-ru-phone.png", full_page=True)
    found = re.fullmatch(r"https://shop\.example/start\?click_id=([0-9a-f-]{36})", address)
    assert found, address
    assert shop.get_attribute("rel") == "noopener noreferrer"
    report = {
        "order": "П-1",
        "click_id": found[1],
        "amount": 1_000_000,
        "purchased_at": datetime.now(UTC).isoformat(),
    }
    made = world.ask("POST", "cashback", "/v1/purchases", world.shop(), json=report)
    page.goto(f"{world.portal}/member/cashback")
    expect(page.get_by_text("ожидает", exact=True)).to_be_visible()
    page.locator("summary").filter(has_text="П-1").click()
    expect(page.get_by_text("Магазин подтвердит покупку не раньше")).to_be_visible()
    body = {"effective_on": datetime.now(UTC).date().isoformat()}
    world.ask("POST", "cashback", f"/v1/purchases/{made['purchase_id']}/confirm", world.shop(), json=body)
    page.reload()
    page.get_by_label("Сумма").fill("сто")
    page.get_by_role("button", name="Вывести").click()
    expect(page.locator("#amount-error")).to_contain_text("Введите сумму")
    page.get_by_label("Сумма").fill("9 999")
    page.get_by_role("button", name="Вывести").click()
    expect(page.locator("#amount-error")).to_contain_text("Доступно меньше")
    page.get_by_label("Сумма").fill("500,00")
    page.get_by_role("button", name="Вывести").click()
    expect(page.get_by_text("Заявка на вывод принята.")).to_be_visible()
    page.get_by_role("button", name="Отменить").click()
    expect(page.get_by_text("Заявка отменена")).to_be_visible()
    page.get_by_role("link", name="Выписка").click()
    expect(page.locator(".movement li").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Скачать PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")


def test_signing_out_on_a_shared_device_leaves_nothing(visit: Callable[..., Visitor], world: World) -> None:
    person = world.member("Общая", "Инна")
    world.card(person)
    visitor = visit()
    page = visitor.page
    visitor.sign_in(person)
    page.goto(f"{world.portal}/member/card")
    shown(page)
    visitor.kept()
    visitor.go("/member/card")
    page.get_by_role("button", name="Выйти").click()
    expect(page.get_by_role("heading", name="Вы вышли")).to_be_visible()
    visitor.until(
        """async () => {
            const caches_ = await caches.keys();
            const stores = await indexedDB.databases();
            return !caches_.some((name) => name.startsWith("personal")) && !stores.some(({ name }) => name === "card");
        }"""
    )
    page.go_back()
    expect(page.get_by_text("Общая Инна")).to_have_count(0)
    assert "Общая" not in page.content()
