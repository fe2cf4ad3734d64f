"""`union manifests`: what deploy/ must say as the code says it, made from the code and held to it.

Topics, their users' rights, what each worker consumes, which key file which process reads, and which settings a values
file may give with which bounds. Everything else under deploy/ is written by hand.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, get_args

import typer
import yaml

import cards.keys
import cashback.keys
from common.app import Service
from common.events import TOPICS
from common.settings import Settings
from union import kafka_resources, output
from union.platform import services

CATALOGUE = Path("deploy/chart/catalogue.yaml")
SCHEMA = Path("deploy/chart/values.schema.json")
KAFKA = Path("deploy/platform/kafka/base")
PARTNERS = Path("deploy/platform/kafka/partners")

_MADE = "# Made by `union manifests` from the code; do not edit.\n"

_OF_THE_CHART = frozenset(
    {
        *("database_url", "http_host", "http_port", "jwks_url", "token_issuer", "token_audience", "log_level"),
        *("kafka_bootstrap", "kafka_idempotent", "kafka_security_protocol", "kafka_sasl_mechanism"),
        *("kafka_username", "kafka_password", "kafka_ca_file", "kafka_cert_file", "kafka_key_file"),
        *("topic_partitions", "topic_replication", "otlp_endpoint", "shutdown_seconds"),
        *("registry_url", "cards_url", "partner_topics"),
        # The token of the service's own: its secret must come from a Secret, for which the chart has no value yet.
        *("service_token_file", "service_token_url", "service_client_id", "service_client_secret"),
        # For one machine alone.
        "webhook_local_targets",
        # For a machine apart from all servers.
        "card_root_key_file",
    }
)
"""Settings that the chart works out from values of its own; a values file cannot give them beside."""

_READ_BY: Mapping[str, tuple[str, ...]] = {
    "erasure_key_file": ("api",),
    "card_signing_key_file": ("api",),
    "card_number_key_file": ("api", "worker"),
    "card_factory_certificate_file": ("api",),
    "pairwise_key_file": ("api", "worker"),
    "ledger_key_file": ("worker",),
    "bank_certificate_file": ("api",),
    "report_forms_folder": ("api", "worker"),
}
"""Which processes read a file that a setting names: no other is given it."""

_FOLDERS = frozenset({"card_signing_key_file", "report_forms_folder"})
"""Settings that may name a folder: the whole Secret or ConfigMap is given, so that a next key may lie beside."""

_PUBLIC = frozenset({"report_forms_folder"})
"""Files that are no secrets: they come from a ConfigMap."""


def generate(root: Path) -> dict[Path, str]:
    """Every made file by its path below `root`, the repository. The same code gives the same bytes.

    The schema of values is written by hand but for its definitions of settings: it is read from `root`.
    """
    schema = json.loads((root / SCHEMA).read_text())
    for service in services():
        schema["$defs"][f"settings-{service.name}"] = settings_schema(service.settings)
    schema["$defs"]["settings"] = settings_schema(Settings)
    users = [kafka_resources.service_user(service.name, consumed(service)) for service in services()]
    files = {
        CATALOGUE: _MADE + _yaml({"services": {service.name: facts(service) for service in services()}}),
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        KAFKA / "topics.yaml": _documents(kafka_resources.topic(topic) for topic in TOPICS),
        KAFKA / "users.yaml": _documents([*users, kafka_resources.scaler_user()]),
    }
    for folder in sorted((root / PARTNERS).glob("*/")):
        files[PARTNERS / folder.name / "partner.yaml"] = _documents(kafka_resources.partner(folder.name))
    return files


def consumed(service: Service) -> list[str]:
    """The topics that its worker reads, sorted; `partner.{partner}.…` stands for one of each partner."""
    with TemporaryDirectory(prefix="union-manifests-") as folder:
        # Subscriptions read their keys when they are made: keys that are worth nothing will do.
        made = cards.keys.ensure(Path(folder)) | cashback.keys.ensure(Path(folder))
        values: dict[str, Any] = {
            "database_url": "postgresql+asyncpg://",
            "jwks_url": "file:///",
            "partner_topics": ["{partner}"],
        } | {name.removeprefix("UNION_").lower(): value for name, value in made.items()}
        settings = service.settings(
            **{name: value for name, value in values.items() if name in service.settings.model_fields}
        )
        return sorted(subscription.topic.name for subscription in service.subscriptions(settings))


def facts(service: Service) -> dict[str, Any]:
    """What the chart's templates must know of a service."""
    topics = consumed(service)
    return {
        "module": f"{service.name}.main",
        "consumes": [topic for topic in topics if "{partner}" not in topic],
        "consumesOfPartners": [topic for topic in topics if "{partner}" in topic],
        "asksRegistry": "registry_url" in service.settings.model_fields,
        "hasPartners": "partner_topics" in service.settings.model_fields,
        "files": {name: file_facts(service, name) for name in files_of(service.settings)},
    }


def file_facts(service: Service, name: str) -> dict[str, Any]:
    if name not in _READ_BY:
        raise LookupError(f"Say in {__name__} which processes read the file of the setting {name}.")
    return {
        "required": service.settings.model_fields[name].is_required(),
        "processes": list(_READ_BY[name]),
        "folder": name in _FOLDERS,
        "secret": name not in _PUBLIC,
    }


def settings_schema(settings: type[Settings]) -> dict[str, Any]:
    """JSON Schema (draft 7) of the settings that a values file may give, by the names of the fields."""
    made = settings.model_json_schema()["properties"]
    properties = {
        name: _draft_7({key: value for key, value in made[name].items() if key not in ("title", "default")})
        for name in sorted(settings.model_fields)
        if name not in _OF_THE_CHART and name not in files_of(settings)
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def files_of(settings: type[Settings]) -> list[str]:
    """The settings that name a file or a folder of the service's own."""
    return [
        name
        for name, field in settings.model_fields.items()
        if Path in (field.annotation, *get_args(field.annotation)) and name not in _OF_THE_CHART
    ]


def _draft_7(shape: Any) -> Any:
    """`prefixItems` of 2020-12 is `items` of draft 7, and null says what leaving out says."""
    if isinstance(shape, list):
        return [_draft_7(item) for item in shape]
    if not isinstance(shape, dict):
        return shape
    shape = {("items" if key == "prefixItems" else key): _draft_7(value) for key, value in shape.items()}
    if "anyOf" in shape:
        [only] = [option for option in shape.pop("anyOf") if option.get("type") != "null"]
        shape |= only
    return shape


def check(root: Path) -> list[str]:
    """How the committed files differ from the code: a sentence each, none when all is well."""
    return [
        f"{path} differs from the code: run `union manifests` and commit it."
        for path, text in generate(root).items()
        if not (root / path).is_file() or (root / path).read_text() != text
    ]


def write(root: Path) -> list[Path]:
    """Make the files equal to the code; returns the paths that changed."""
    changed = []
    for path, text in generate(root).items():
        file = root / path
        if not file.is_file() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            changed.append(path)
    return changed


def manifests(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when the files differ.")
    ] = False,
    root: Annotated[Path, typer.Option(help="The repository.")] = Path(),
) -> None:
    """Write the made files of deploy/chart and deploy/platform from the code, or check that they agree with it."""
    if not (root / SCHEMA).is_file():
        output.refuse("This is not the repository: run it there, or say --root.")
    if check_only:
        differences = check(root)
        for sentence in differences:
            output.errors.print(sentence, style="red", markup=False, soft_wrap=True)
        if differences:
            raise typer.Exit(1)
        output.console.print("The manifests agree with the code.")
        return
    changed = write(root)
    for path in changed:
        output.console.print(str(path))
    output.console.print(f"{len(changed)} files written." if changed else "Nothing to change.")


def _documents(resources: Sequence[Mapping[str, Any]] | Iterator[Mapping[str, Any]]) -> str:
    return _MADE + "".join(f"---\n{_yaml(resource)}" for resource in resources)


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=115)
