"""Holds JSON against the schemas of an OpenAPI 3.1 description."""

import json
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

METHODS = ("get", "post", "put", "patch", "delete")
ROOT = "urn:description"
# What every refusal looks like; used where the description is silent about one.
ERROR_ENVELOPE = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["code", "title"],
                "properties": {
                    "code": {"type": "string", "pattern": "^[0-9]+$"},
                    "title": {"type": "string"},
                    "detail": {"type": "string"},
                    "meta": {"type": "object"},
                    "source": {
                        "type": "object",
                        "properties": {"pointer": {"type": "string"}, "parameter": {"type": "string"}},
                    },
                },
            },
        }
    },
}

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", ValueError)
def _date_time(text):
    return not isinstance(text, str) or bool(re.match(r"\d{4}-\d\d-\d\dT", text) and datetime.fromisoformat(text))


@FORMATS.checks("uuid", ValueError)
def _uuid(text):
    return not isinstance(text, str) or str(uuid.UUID(text)) == text.lower()


@FORMATS.checks("uri", ValueError)
@FORMATS.checks("url", ValueError)
def _url(text):
    return not isinstance(text, str) or bool(urlsplit(text).scheme)


@dataclass(frozen=True)
class Fault:
    """One way in which an answer is not what the description says. `where` is a path with `*` for any index."""

    where: str
    rule: str
    message: str


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    spec: dict

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


class Description:
    """A loaded description. `seen` collects which documented properties have ever come in an answer."""

    def __init__(self, document: dict):
        self.document = document
        self.seen: set[str] = set()
        self.registry = Registry().with_resource(ROOT, DRAFT202012.create_resource(self._rooted(document)))

    @classmethod
    def load(cls, path: str) -> "Description":
        return cls(json.loads(Path(path).read_text()))

    def operations(self) -> list[Operation]:
        paths = self.document["paths"].items()
        return [Operation(m.upper(), path, item[m]) for path, item in paths for m in METHODS if m in item]

    def body_schema(self, operation: Operation) -> dict | None:
        """The schema of a JSON request body, its references followed once."""
        content = self.follow(operation.spec.get("requestBody", {})).get("content", {})
        return content["application/json"]["schema"] if "application/json" in content else None

    def properties(self, schema: dict) -> tuple[dict, set[str]]:
        """All properties that a schema names, and those it requires, over its `allOf` parts."""
        schema = self.follow(schema)
        named, required = dict(schema.get("properties", {})), set(schema.get("required", []))
        for part in schema.get("allOf", []):
            more, also_required = self.properties(part)
            named.update(more)
            required |= also_required
        return named, required

    def check_answer(self, operation: Operation, status: int, kind: str, body: bytes) -> list[Fault]:
        """Holds one answer against what the operation may answer with that status."""
        declared = operation.spec["responses"]
        key = next((key for key in (str(status), f"{status // 100}XX", "default") if key in declared), None)
        faults = []
        content = {}
        if key is None:
            faults.append(Fault("", "status", f"{status} is not among the declared {', '.join(declared)}"))
        else:
            content = self.follow(declared[key]).get("content", {})
        if content and not any(kind.startswith(wanted) for wanted in content):
            return [*faults, Fault("", "content-type", f"`{kind}` instead of {', '.join(content)}")]
        if "application/json" in content:
            schema = content["application/json"]["schema"]
        elif status >= 400:
            schema = ERROR_ENVELOPE
        elif body and not content:
            return [*faults, Fault("", "content", f"{len(body)} bytes although none are declared")]
        else:
            return faults
        try:
            instance = json.loads(body)
        except ValueError as error:
            return [*faults, Fault("", "json", f"{error}: {body[:80]!r}")]
        return [*faults, *self.check(schema, instance, f"{operation.name} {status}")]

    def check_webhook(self, name: str, instance) -> list[Fault]:
        content = self.document["webhooks"][name]["post"]["requestBody"]["content"]
        return self.check(content["application/json"]["schema"], instance, f"webhook {name}")

    def check(self, schema: dict, instance, origin: str) -> list[Fault]:
        """Everything wrong with an instance: what its schema says, and properties that nobody documented."""
        errors = [deeper for error in self._validator(schema).iter_errors(instance) for deeper in _causes(error)]
        faults = [Fault(_path(error.absolute_path), error.validator, error.message[:200]) for error in errors]
        self._undocumented([schema], instance, "", origin, faults)
        return list(dict.fromkeys(faults))

    def never_seen(self) -> list[str]:
        """Documented properties of objects that came, without ever having come themselves."""
        wanted = {name.removeprefix("? ") for name in self.seen if name.startswith("? ")}
        return sorted(wanted - self.seen)

    def _undocumented(self, schemas: list[dict], instance, where: str, origin: str, faults: list[Fault]):
        parts = [part for schema in schemas for part in self._flatten(schema)]
        if isinstance(instance, list):
            items = [part["items"] for part in parts if "items" in part]
            for item in instance if items else []:
                self._undocumented(items, item, f"{where}/*".strip("/"), origin, faults)
        if not isinstance(instance, dict):
            return
        named = {name for part in parts for name in part.get("properties", {})}
        is_open = not named or any(part.get("additionalProperties") for part in parts)
        self.seen.update(f"? {origin} {where}/{name}" for name in named)
        for name, value in instance.items():
            below = f"{where}/{name}".strip("/")
            self.seen.add(f"{origin} {where}/{name}")
            inner = [part["properties"][name] for part in parts if name in part.get("properties", {})]
            if inner:
                self._undocumented(inner, value, below, origin, faults)
            elif not is_open:
                faults.append(Fault(below, "undocumented", f"`{name}` is no documented property"))

    def _flatten(self, schema: dict) -> list[dict]:
        """A schema and all that it is put together from."""
        schema = self.follow(schema)
        inner = [part for word in ("allOf", "oneOf", "anyOf") for part in schema.get(word, [])]
        return [schema, *(deeper for part in inner for deeper in self._flatten(part))]

    def follow(self, node: dict) -> dict:
        while "$ref" in node:
            found = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def _validator(self, schema: dict) -> Draft202012Validator:
        return Draft202012Validator(self._rooted(schema), registry=self.registry, format_checker=FORMATS)

    # References in the description are relative to its own root, and a discriminator says which of several schemas is meant.
    def _rooted(self, node):
        if isinstance(node, list):
            return [self._rooted(item) for item in node]
        if not isinstance(node, dict):
            return node
        rooted = {key: self._rooted(value) for key, value in node.items()}
        if isinstance(node.get("$ref"), str):
            rooted["$ref"] = ROOT + node["$ref"]
        if isinstance(node.get("oneOf"), list) and isinstance(node.get("discriminator"), dict):
            branches = rooted.pop("oneOf")
            rooted["allOf"] = rooted.get("allOf", []) + self._by_name(node, branches)
        return rooted

    def _by_name(self, node: dict, branches: list[dict]) -> list[dict]:
        """Conditions that hold an instance against the branch it names, or against any if it names none."""
        name, conditions, known = node["discriminator"]["propertyName"], [], []
        for original, branch in zip(node["oneOf"], branches):
            tag = self.follow(original).get("properties", {}).get(name, {})
            tags = [*tag.get("enum", []), *(tag[word] for word in ("const", "default") if word in tag)]
            known += tags
            conditions.append({"if": {"properties": {name: {"enum": tags}}, "required": [name]}, "then": branch})
        is_known = {"properties": {name: {"enum": known}}, "required": [name]}
        return [*conditions, {"if": is_known, "else": {"anyOf": branches}}]


def _causes(error) -> list:
    """What is wrong in the branch that fits best, where none of several fits."""
    branches: dict[int, list] = {}
    for inner in error.context or []:
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    if error.validator not in ("oneOf", "anyOf") or not branches:
        return [error]
    return [deeper for inner in min(branches.values(), key=len) for deeper in _causes(inner)]


def _path(steps) -> str:
    return "/".join("*" if isinstance(step, int) else str(step) for step in steps)
