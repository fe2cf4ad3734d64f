"""Whether a changed event schema still holds for those who rely on the published one."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset(
    {"$id", "$schema", "$defs", "$comment", "title", "description", "default", "deprecated", "examples"}
)
_AT_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_AT_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_STRUCTURE = frozenset({"properties", "required", "items", "additionalProperties", "enum", "const"})
_ANYTHING = "anything"


def breaking_changes(old_schema: Schema, new_schema: Schema) -> list[str]:
    """What a reader of `old_schema` meets in events of `new_schema` that it does not expect: one sentence each.

    Readers ignore properties that they do not know, so an addition is fine; a narrower type, range or
    enumeration is fine too. A removed property breaks even when it was optional: who used it has lost it.
    """
    removed = [f"{name} is removed" for name in _removed_optional(_Reader(old_schema), _Reader(new_schema))]
    return sorted(removed + list(_misfits(_Reader(old_schema), _Reader(new_schema), "the event")))


def lost_history(old_schema: Schema, new_schema: Schema) -> list[str]:
    """What in events already published under `old_schema` a reader of `new_schema` cannot take.

    Topics are compacted and histories are republished, so old events are read for ever: a new property is
    fine only when it is optional, and nothing may become narrower.
    """
    return sorted(_misfits(_Reader(new_schema), _Reader(old_schema), "the event"))


class _Reader:
    """A schema as what it allows per JSON type, with its references resolved."""

    def __init__(self, schema: Schema | bool, root: Schema | None = None) -> None:
        self._root = root if root is not None else (schema if isinstance(schema, Mapping) else {})
        self.types: dict[str, dict[str, Any]] = {}
        for alternative in self._alternatives({} if schema is True else schema):
            body = {key: value for key, value in alternative.items() if key not in _ANNOTATIONS | {"type"}}
            types = alternative.get("type", _ANYTHING)
            for name in [types] if isinstance(types, str) else types:
                # Two alternatives of one type: too clever for a rule per keyword, so they compare as a whole.
                self.types[name] = {"anyOf": [self.types[name], body]} if name in self.types else body

    def _alternatives(self, schema: Any) -> Iterator[Schema]:
        if schema is False:
            return
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            yield from self._alternatives({**self._root["$defs"][name], **_without(schema, "$ref")})
        elif "anyOf" in schema:
            rest = _without(schema, "anyOf")
            for alternative in schema["anyOf"]:
                yield from self._alternatives({**rest, **alternative})
        else:
            yield schema

    def part(self, schema: Any) -> "_Reader":
        return _Reader(schema, self._root)

    @property
    def properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.types.get("object", {}).get("properties", {})
        return properties

    @property
    def required(self) -> frozenset[str]:
        return frozenset(self.types.get("object", {}).get("required", ()))


def _without(schema: Schema, key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def _removed_optional(old: _Reader, new: _Reader, path: str = "") -> Iterator[str]:
    for name, schema in old.properties.items():
        if name in new.properties:
            yield from _removed_optional(old.part(schema), new.part(new.properties[name]), f"{path}{name}.")
        elif name not in old.required:
            yield path + name


def _misfits(reader: _Reader, writer: _Reader, path: str) -> Iterator[str]:
    """Every way in which what `writer` allows is more than what `reader` takes."""
    if _ANYTHING in reader.types and not reader.types[_ANYTHING]:
        return
    for name, written in writer.types.items():
        accepted = "number" if name == "integer" and name not in reader.types else name
        if accepted not in reader.types:
            takes = " or ".join(sorted(reader.types)) or "nothing"
            yield f"{path} may be {name}, the reader takes {takes}"
            continue
        read = reader.types[accepted]
        yield from _values(read, written, path)
        yield from _limits(read, written, path)
        if name == "object":
            yield from _objects(reader, writer, path)
        if "items" in read or "items" in written:
            yield from _misfits(
                reader.part(read.get("items", {})), writer.part(written.get("items", {})), f"{path}[]"
            )


def _values(read: Schema, written: Schema, path: str) -> Iterator[str]:
    known, possible = _enumerated(read), _enumerated(written)
    if known is None:
        return
    if possible is None:
        yield f"{path} may have any value, the reader knows {', '.join(map(str, known))}"
        return
    for value in possible:
        if value not in known:
            yield f"{path} may be {value!r}, which the reader does not know"


def _enumerated(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _limits(read: Schema, written: Schema, path: str) -> Iterator[str]:
    for keyword, limit in read.items():
        other = written.get(keyword)
        if keyword in _STRUCTURE or other == limit:
            continue
        if keyword in _AT_LEAST and other is not None and other > limit:
            continue
        if keyword in _AT_MOST and other is not None and other < limit:
            continue
        yield f"{path} has {keyword} {_shown(other)}, the reader relies on {_shown(limit)}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _objects(reader: _Reader, writer: _Reader, path: str) -> Iterator[str]:
    for name, schema in reader.properties.items():
        inner = name if path == "the event" else f"{path}.{name}"
        if name in writer.properties:
            yield from _misfits(reader.part(schema), writer.part(writer.properties[name]), inner)
            if name in reader.required - writer.required:
                yield f"{inner} may be absent, the reader needs it"
        elif name in reader.required:
            yield f"{inner} is absent, the reader needs it"
    others = reader.types["object"].get("additionalProperties", True)
    if others is True:
        return
    if others is False:
        for name in writer.properties.keys() - reader.properties.keys():
            yield f"{path} may have {name}, the reader takes no other properties"
        return
    written = writer.types["object"].get("additionalProperties", True)
    yield from _misfits(reader.part(others), writer.part(written), f"{path}.*")
