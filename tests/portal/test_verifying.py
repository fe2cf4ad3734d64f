"""The check of cards: published vectors, the QR reader against another maker of codes, a camera that sees a code."""

import json
import math
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from playwright.sync_api import Playwright, expect

from tests.portal.conftest import ARGUMENTS, PICTURES, ROOT, SIZES, Visitor
from tests.portal.test_member import shown
from tests.portal.world import World, eventually

SEED = 20261123
SIDE = 480


def module(page: Any) -> str:
    """Where the page's scripts are."""
    return str(page.locator("script[type=module]").get_attribute("src")).rpartition("/")[0]


def test_every_published_vector_is_judged_as_it_says(visit: Callable[..., Visitor]) -> None:
    vectors = json.loads((ROOT / "docs" / "cards" / "vectors" / "vectors.json").read_text())
    visitor = visit()
    visitor.go("/verify")
    said = visitor.page.evaluate(
        """async ([base, vectors]) => {
            const { readKeys, readStatusList, verify } = await import(base + "/cose.js");
            const keys = await readKeys(vectors.jwks);
            const bytes = Uint8Array.from(vectors.status_list.match(/../g).map((pair) => parseInt(pair, 16)));
            const list = await readStatusList(bytes, keys);
            const said = {};
            for (const { name, text, now, with_status_list: listed } of vectors.cases) {
                const { colour, reason } = await verify(text, { keys, statuses: listed ? list : null, now });
                said[name] = { colour, reason };
            }
            return said;
        }""",
        [module(visitor.page), vectors],
    )
    expected = {case["name"]: case["expect"] for case in vectors["cases"]}
    assert len(expected) == 60
    assert {name: {"colour": e["colour"], "reason": e["reason"]} for name, e in expected.items()} == said


def test_the_same_proof_is_taken_once_and_a_forged_list_never(visit: Callable[..., Visitor]) -> None:
    vectors = json.loads((ROOT / "docs" / "cards" / "vectors" / "vectors.json").read_text())
    case = next(
        case
        for case in vectors["cases"]
        if case["text"].startswith("UP1:") and case["expect"]["colour"] == "green"
    )
    visitor = visit()
    visitor.go("/verify")
    said = visitor.page.evaluate(
        """async ([base, vectors, { text, now }]) => {
            const { SeenProofs, readKeys, readStatusList, verify } = await import(base + "/cose.js");
            const keys = await readKeys(vectors.jwks), seen = new SeenProofs();
            const bytes = Uint8Array.from(vectors.status_list.match(/../g).map((pair) => parseInt(pair, 16)));
            const statuses = await readStatusList(bytes, keys);
            const reasons = [];
            for (let i = 0; i < 2; i++) reasons.push((await verify(text, { keys, statuses, now, seen })).reason);
            bytes[bytes.length - 1] ^= 1;
            reasons.push(await readStatusList(bytes, keys).then(() => "trusted", (error) => error.reason));
            return reasons;
        }""",
        [module(visitor.page), vectors, case],
    )
    assert said == ["valid", "replayed", "signature_wrong"]


def photographed(text: str, level: str, dice: random.Random, angle: float) -> bytes:
    """A code by another maker as a camera has it: turned, a little in perspective, grey, noisy, unevenly lit. RGBA."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level).to_image(scale=1)
    side, modules = code.shape[0], bytes(memoryview(code))  # type: ignore[arg-type]
    size, middle = SIDE * 0.62, SIDE / 2
    turn, lean = math.radians(angle), dice.uniform(-0.12, 0.12)
    pixels = bytearray()
    for y in range(SIDE):
        for x in range(SIDE):
            u, v = (x - middle) / size, (y - middle) / size
            u, v = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
            scale = 1 + lean * v
            column, row = int((u * scale + 0.5) * side), int((v * scale + 0.5) * side)
            inside = 0 <= column < side and 0 <= row < side
            light = modules[row * side + column] if inside else 200
            grey = 40 + light * 0.55 + 50 * x / SIDE + dice.gauss(0, 9)
            pixels += bytes((max(0, min(255, int(grey))),)) * 3 + b"\xff"
    return bytes(pixels)


@pytest.mark.parametrize("angle", [0, 8, 90, 135, 200])
def test_the_reader_reads_what_another_maker_drew(visit: Callable[..., Visitor], angle: float) -> None:
    vectors = json.loads((ROOT / "docs" / "cards" / "vectors" / "vectors.json").read_text())
    text = next(case["text"] for case in vectors["cases"] if case["name"] == "good")
    print(f"seed {SEED}")
    picture = photographed(text, "M", random.Random(f"{SEED} {angle}"), angle)
    visitor = visit()
    visitor.go("/verify")
    read = visitor.page.evaluate(
        """async ([base, hex, side]) => {
            const { read } = await import(base + "/qrread.js");
            return read(Uint8ClampedArray.from(hex.match(/../g), (pair) => parseInt(pair, 16)), side, side);
        }""",
        [module(visitor.page), picture.hex(), SIDE],
    )
    assert read == text


def test_another_reader_reads_what_the_card_draws(
    visit: Callable[..., Visitor], world: World, tmp_path: Path
) -> None:
    person = world.member("Рисункова", "Майя")
    world.card(person)
    visitor = visit(device_scale_factor=2)
    visitor.sign_in(person)
    visitor.page.goto(f"{world.portal}/member/card")
    text = shown(visitor.page)
    modules = visitor.page.evaluate(
        """async ([base, text]) => {
            const { size, modules } = (await import(base + "/qr.js")).draw(text);
            return [size, [...modules]];
        }""",
        [module(visitor.page), text],
    )
    assert scanned(*modules) == text


def scanned(size: int, modules: list[int]) -> str:
    """What zxing-cpp reads from modules (1 is dark), drawn with a quiet zone."""
    edge, scale = 4, 4
    side = (size + 2 * edge) * scale
    picture = bytearray(b"\xff" * side * side)
    for index, dark in enumerate(modules):
        if dark:
            x, y = (index % size + edge) * scale, (index // size + edge) * scale
            for line in range(y, y + scale):
                picture[line * side + x : line * side + x + scale] = bytes(scale)
    image = memoryview(bytes(picture)).cast("B", (side, side))
    [found] = zxingcpp.read_barcodes(image)
    return str(found.text)


def film(path: Path, text: str) -> None:
    """A video for Chromium's pretended camera: the code, held still (YUV4MPEG2, grey)."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="L").to_image(scale=5)
    side, light = code.shape[0], bytes(memoryview(code))  # type: ignore[arg-type]
    width, height = 640, 480
    assert side <= height
    frame = bytearray(b"\xd0" * width * height)
    left, top = (width - side) // 2, (height - side) // 2
    for row in range(side):
        at = (top + row) * width + left
        frame[at : at + side] = light[row * side : (row + 1) * side]
    colours = b"\x80" * (width * height // 2)
    header = f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + b"".join(b"FRAME\n" + bytes(frame) + colours for _ in range(3)))


def test_a_till_checks_by_camera_without_a_network(playwright: Playwright, world: World, tmp_path: Path) -> None:
    """Opened once, then cut off: green for a good card, red for a blocked one, red for a foreign code."""
    person = world.member("Кассова", "Тая")
    card = world.card(person)
    path = f"/v1/cards/{card['card_id']}/qr"
    good = world.ask("GET", "cards", path, world.own(person), headers={"Accept": "text/plain"}).decode()
    look = till(playwright, world, tmp_path / "good.y4m", good)
    assert look(True) == "green valid"
    assert till(playwright, world, tmp_path / "foreign.y4m", "HTTPS://SHOP.EXAMPLE/")(True) == "red not_a_card"
    block = f"/v1/cards/{card['card_id']}/block"
    world.ask("POST", "cards", block, world.own(person), json={"reason": "lost"})
    before = world.ask("GET", "cards", "/v1/status-list")
    eventually(lambda: world.ask("GET", "cards", "/v1/status-list") != before, "the next status list")
    assert till(playwright, world, tmp_path / "blocked.y4m", good)(True) == "red blocked"


def till(playwright: Playwright, world: World, video: Path, text: str) -> Callable[[bool], str]:
    film(video, text)

    def look(offline: bool) -> str:
        browser = playwright.chromium.launch(
            executable_path=shutil.which(os.environ.get("CHROMIUM", "chromium")),
            args=[
                *ARGUMENTS,
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-video-capture={video}",
            ],
        )
        try:
            context = browser.new_context(locale="ru-RU", viewport=SIZES["phone"], permissions=["camera"])
            page = context.new_page()
            page.goto(f"{world.portal}/verify")
            expect(page.get_by_text("Готово к работе без интернета.")).to_be_visible()
            eventually(lambda: page.evaluate("navigator.serviceWorker.controller !== null"), "the service worker")
            context.set_offline(offline)
            page.goto(f"{world.portal}/verify")
            page.get_by_role("button", name="Включить камеру").click()
            verdict = page.locator("[data-verdict]")
            expect(verdict).to_be_visible(timeout=30_000)
            said = str(verdict.get_attribute("data-result"))
            page.screenshot(path=PICTURES / f"verify-{said.replace(' ', '-')}-ru-phone.png", full_page=True)
            return said
        finally:
            browser.close()

    return look


def test_a_scanner_that_types_is_enough(visit: Callable[..., Visitor]) -> None:
    visitor = visit(size="desktop")
    page = visitor.page
    visitor.go("/verify")
    page.get_by_text("Сканер штрих-кодов или ввод вручную").click()
    page.get_by_label("Текст кода").fill("UC1:ЧУЖОЙ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Не принимать")).to_be_visible()
    expect(page.get_by_role("button", name="Следующий")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Текст кода")).to_be_focused()
