"""A batch of plastic cards: ordered by one, approved by another, made by a factory, signed for by the members."""

from pathlib import Path
from typing import Any

import httpx

from union import factory
from union.demo.clients import Apis


async def play_batch(apis: Apis, region: str, organisation: str, keys: Path) -> dict[str, Any]:
    """Returns the batch and what its reconciliation says. One card is spoiled on the way."""
    staff = apis.bearer("territorial_staff", organisation_id=organisation)
    office = apis.bearer("regional_staff", organisation_id=region)
    batch = await apis.post("cards", "/v1/plastic-batches", staff, {"organisation_id": organisation})
    path = f"/v1/plastic-batches/{batch['batch_id']}"
    for step in ("approve", "send"):
        await apis.post("cards", f"{path}/{step}", office)
    sealed = (await apis.send("cards", "GET", f"{path}/personalisation-file", office)).content
    _, *printed, _ = factory.opened(keys, sealed)
    serials = [line[1] for line in printed]
    spoiled, made = serials[:1], serials[1:]
    for number, words in enumerate(
        (
            [(serial, "spoiled") for serial in spoiled] + [(serial, "produced") for serial in made],
            [(serial, "dispatched") for serial in made],
        ),
        start=1,
    ):
        await _upload(apis, f"{path}/factory-responses", office, factory.answer(batch["reference"], number, words))
    await apis.post("cards", f"{path}/delivered", staff, {})
    await apis.post("cards", f"{path}/hand-over", staff, {"receipt": "1"})
    report = await apis.get("cards", f"{path}/reconciliation", office)
    named = sum(bool(line[3] and line[4]) for line in printed)
    return {"ordered": batch["cards"], "personalised_with_names": named, **{k: report[k] for k in _FIGURES}}


_FIGURES = ("spoiled", "handed_over", "difference")


async def _upload(apis: Apis, path: str, auth: dict[str, str], content: bytes) -> httpx.Response:
    return await apis.send("cards", "POST", path, {**auth, "Content-Type": "text/csv"}, content=content)
