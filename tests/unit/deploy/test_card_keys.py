"""Signing keys from a folder, as docs/runbooks/card-keys.md has it."""

import json

from tests.unit.deploy.composing import ROOT, run_compose


def test_the_keys_of_cards_can_come_from_a_folder_that_one_command_writes(environment: dict[str, str]) -> None:
    folder = environment["HOME"]
    rendered = run_compose(
        {**environment, "UNION_CARD_SIGNING_KEYS": folder},
        *("--file", str(ROOT / "deploy" / "compose" / "card-keys.yml"), "--profile", "keys", "config"),
        *("--format", "json"),
    )
    assert rendered.returncode == 0, rendered.stderr
    services = json.loads(rendered.stdout)["services"]
    mounts = {
        name: [m.get("read_only", False) for m in services[name]["volumes"] if m["target"] == "/run/card-signing"]
        for name in ("cards-api", "cards-keys")
    }
    assert mounts == {"cards-api": [True], "cards-keys": [False]}
    for name in mounts:
        assert services[name]["environment"]["UNION_CARD_SIGNING_KEY_FILE"] == "/run/card-signing"
        assert "UNION_CARD_NUMBER_KEY_FILE" in services[name]["environment"]
    assert services["cards-keys"]["entrypoint"] == ["python", "-m", "cards.cli", "keys"]
    assert not services["cards-keys"].get("ports")
