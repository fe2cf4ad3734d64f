"""The union's own headline table, with this region's figures."""

from typing import Any

from union import output
from union.demo.clients import Apis

LEVELS = ("primary", "territorial", "regional")


async def headline(apis: Apis) -> dict[str, Any]:
    """The figures as each owner tells them."""
    app = apis.bearer("internal_app")
    registry = await apis.get("registry", "/v1/headline", app)
    cards = (await apis.get("cards", "/v1/headline", app))["cards"]
    cashback = await apis.get("cashback", "/v1/headline", app)
    reports = (await apis.get("reports", "/v1/headline", app))["reports"]
    return {
        "organisations": registry["organisations"],
        "members": registry["members"],
        "cards": cards,
        "cashback": cashback,
        "online_joins": registry["online_joins"],
        "reports": {level: reports[level] for level in LEVELS},
    }


def show(figures: dict[str, Any]) -> None:
    """Print the table in the shape of the union's published one."""
    members, cards = figures["members"], figures["cards"]
    total = members["total"]

    def of_all(count: int) -> str:
        return f"{count / total:.2%}" if total else "—"

    organisations = figures["organisations"]
    kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in organisations.items())
    cashback = figures["cashback"]
    rows: list[list[object]] = [
        ["Unified registry", "organisations", sum(organisations.values()), kinds],
        ["Electronic member records", "members", total, "100 %"],
        ["", "working", members["working"], of_all(members["working"])],
        ["", "students", members["student"], of_all(members["student"])],
        ["", "non-working pensioners", members["pensioner"], of_all(members["pensioner"])],
        ["", "no category given", members["not_given"], of_all(members["not_given"])],
        [
            "Electronic union card",
            "members with a card",
            cards["members_with_card"],
            of_all(cards["members_with_card"]),
        ],
        ["", "virtual / plastic cards", f"{cards['virtual']} / {cards['plastic']}", ""],
        ["Bonus programme PROFCARDS", "participants", cashback["participants"], of_all(cashback["participants"])],
        [
            "",
            "roubles returned",
            f"{cashback['returned'] / 100:.2f}",
            f"{cashback['paid_out'] / 100:.2f} paid out",
        ],
        ["Online joining", "people", figures["online_joins"], ""],
        *(
            ["Automatic statistical reports" if level == "primary" else "", level, figures["reports"][level], ""]
            for level in LEVELS
        ),
    ]
    output.table(
        "The region in the union's headline figures", ["system", "what", "how many", "share, detail"], rows
    )
