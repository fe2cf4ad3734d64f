"""`union contracts`: the published documents, made from the code and held to it."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from common.app import Service, openapi_of
from common.events import EVENTS
from common.events.base import Event
from union import asyncapi, output
from union.compatibility import breaking_changes, lost_history
from union.platform import services

EVENT_DOCS = Path("docs/events")
API_DOCS = Path("docs/openapi")
ASYNCAPI = EVENT_DOCS / "asyncapi.json"
EXAMPLES = EVENT_DOCS / "examples"


class BreakingChange(Exception):
    """Published schemas would change under their readers. `changes`: per event type, what breaks."""

    def __init__(self, changes: Mapping[str, list[str]]) -> None:
        super().__init__("\n".join(sentence for kind in changes for sentence in explain(kind, changes[kind])))
        self.changes = changes


def generate(services: Sequence[Service], events: Sequence[type[Event]] = EVENTS) -> dict[Path, str]:
    """Every generated document by its path below the repository's root. The same code gives the same bytes."""
    files = {schema_path(event.event_type): _json(event_schema(event)) for event in events}
    files[ASYNCAPI] = _json(asyncapi.document(events))
    files[EVENT_DOCS / "README.md"] = _readme(events)
    for service in services:
        files[API_DOCS / f"{service.name}.json"] = _json(openapi_of(service))
    return files


def event_schema(event: type[Event]) -> dict[str, Any]:
    """JSON Schema 2020-12 of an event's body. Open: readers ignore properties that they do not know."""
    schema = event.model_json_schema(mode="serialization")
    for part in (schema, *schema.get("$defs", {}).values()):
        for field in part.get("properties", {}).values():
            field.pop("title", None)  # the field's name in other letters
    descriptions = [
        cls.__dict__.get("__doc__") for cls in event.__mro__ if issubclass(cls, Event) and cls is not Event
    ]
    return {
        **schema,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": event.schema_id(),
        "description": "\n\n".join(text.strip() for text in descriptions if text),
    }


def schema_path(event_type: str) -> Path:
    return EVENT_DOCS / f"{event_type}.json"


def check(root: Path, files: Mapping[Path, str]) -> list[str]:
    """How the committed documents differ from `files`: a sentence each, none when all is well."""
    found = []
    for path, text in sorted(files.items()):
        if not (root / path).is_file():
            found.append(f"{path} is missing: run `make contracts` and commit it.")
        elif (root / path).read_text() != text:
            found.append(f"{path} differs from the code: run `make contracts` and commit it.")
    found.extend(f"{path} describes nothing in the code: run `make contracts`." for path in _stale(root, files))
    for kind, changes in broken(root, files).items():
        found.extend(explain(kind, changes))
    return found


def write(root: Path, files: Mapping[Path, str], accepted: Collection[str] = ()) -> list[Path]:
    """Make the documents equal to `files`, drop stale ones; returns the paths that changed.

    Raises BreakingChange, with nothing written, when a published schema would change under its readers and its
    event type is not in `accepted`.
    """
    refused = {kind: changes for kind, changes in broken(root, files).items() if kind not in accepted}
    if refused:
        raise BreakingChange(refused)
    stale = _stale(root, files)
    changed = [p for p, text in files.items() if not (root / p).is_file() or (root / p).read_text() != text]
    for path in stale:
        (root / path).unlink()
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path])
    return sorted([*changed, *stale])


def broken(root: Path, files: Mapping[Path, str]) -> dict[str, list[str]]:
    """Per event type, how its committed schema would break: the committed files are what is published."""
    found = {}
    for path in sorted((root / EVENT_DOCS).glob("*.json")):
        relative, kind = path.relative_to(root), path.stem
        if relative == ASYNCAPI:
            continue
        if relative not in files:
            found[kind] = ["the event is withdrawn"]
            continue
        old, new = json.loads(path.read_text()), json.loads(files[relative])
        changes = [f"for readers of the published schema: {change}" for change in breaking_changes(old, new)]
        changes += [f"for events already on the topic: {change}" for change in lost_history(old, new)]
        if changes:
            found[kind] = changes
    return found


def explain(kind: str, changes: Iterable[str]) -> list[str]:
    """What breaks in one event, and what to do instead."""
    name, _, version = kind.rpartition(".v")
    following = f"{name}.v{int(version) + 1}" if version.isdigit() else f"{kind}.v2"
    return [
        *(f"{kind} breaks {change}." for change in changes),
        f"Leave {kind} as it was and publish {following} beside it; only while nobody reads it yet:"
        f" `union contracts --accept-breaking {kind}`.",
    ]


def contracts(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when the documents differ.")
    ] = False,
    accept_breaking: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="An event that may change under its readers.")
    ] = None,
    root: Annotated[Path, typer.Option(help="The repository.")] = Path(),
) -> None:
    """Write docs/events and docs/openapi from the code, or check that they agree with it."""
    if not (root / "Makefile").is_file():
        output.refuse("This is not the repository: run it there, or say --root.")
    files = generate(services())
    if check_only:
        differences = check(root, files)
        if differences:
            _refuse(differences)
        output.console.print(f"{len(files)} documents agree with the code.")
        return
    try:
        changed = write(root, files, accept_breaking or ())
    except BreakingChange as refusal:
        _refuse(str(refusal).splitlines())
    for path in changed:
        output.console.print(str(path))
    output.console.print(f"{len(changed)} of {len(files)} documents written." if changed else "Nothing to change.")


def _refuse(sentences: Iterable[str]) -> NoReturn:
    """One sentence a line, as it is: paths and values are neither wrapped nor read as markup."""
    for sentence in sentences:
        output.errors.print(sentence, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


def _stale(root: Path, files: Mapping[Path, str]) -> list[Path]:
    present = [
        path.relative_to(root) for folder in (EVENT_DOCS, API_DOCS) for path in (root / folder).glob("*.json")
    ]
    return sorted(path for path in present if path not in files)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _readme(events: Sequence[type[Event]]) -> str:
    topics = sorted({event.topic for event in events}, key=lambda topic: topic.name)
    lines = [
        "# Events",
        "",
        "Made by `make contracts` from `libs/common/common/events`; do not edit. `TYPE.json` is the JSON Schema of a",
        "body, `examples/TYPE.json` a whole event, `asyncapi.json` the same for tools.",
        "",
        "An event carries its aggregate's whole public state and version. A shape never changes: a new need is a new",
        "type, published beside the old one. Ignore properties and types that you do not know. Delivery is at least",
        "once and in order per key. No event holds personal data.",
        "",
        "## Topics",
        "",
        *_table(
            ["Topic", "Owner", "Key", "Kept"],
            [
                [
                    f"`{topic.name}`",
                    topic.owner,
                    ", ".join(sorted({f"`{event.key_field}`" for event in events if event.topic == topic})),
                    "compacted: the last state for ever" if topic.compacted else f"{topic.retention_days} days",
                ]
                for topic in topics
            ],
        ),
        "",
        "## Events by topic",
    ]
    for topic in topics:
        rows = [
            [f"[`{event.event_type}`]({event.event_type}.json)", " ".join((event.__doc__ or "").split())]
            for event in events
            if event.topic == topic
        ]
        lines += ["", f"### {topic.name}", "", *_table(["Event", "When"], rows)]
    lines += ["", "## Headers", "", "CloudEvents 1.0 in binary mode; every value is UTF-8 text.", ""]
    lines += _table(
        ["Header", "What it tells", "Always"],
        [[f"`{h.name}`", h.tells, "yes" if h.required else "no"] for h in asyncapi.HEADERS],
    )
    return "\n".join(lines) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]
