"""Walks every operation of an OpenAPI description and holds each answer of a sandbox against it."""

import argparse
import copy
import re
import sys
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from calls import UNKNOWN, VALID, Call, Refused, World  # noqa: E402
from description import ERROR_ENVELOPE, Description, Fault, Operation  # noqa: E402
from inlet_sandbox import PHONE, Sandbox  # noqa: E402
from webhook_receiver import WebhookReceiver  # noqa: E402

KNOWN = Path(__file__).parent / "known-description-errors.toml"
WEBHOOKS = {"message.received": "inboundMessage", "message.sent": "deliveryUpdate", "message.finalized": "deliveryUpdate"}


@dataclass
class Row:
    """What became of one operation."""

    name: str
    emulated: bool = True
    calls: int = 0
    mismatches: list[str] = field(default_factory=list)
    without: set[str] = field(default_factory=set)
    excused: int = 0


class Known:
    """The description's own errors, each with a reason; which of them were met is remembered."""

    def __init__(self, entries: list[dict]):
        self.entries, self.met = entries, set()

    def excuse(self, operation: str, status: int, fault: Fault) -> bool:
        for index, entry in enumerate(self.entries):
            if (
                fnmatchcase(operation, entry["operation"])
                and fnmatchcase(str(status), str(entry.get("status", "*")))
                and fnmatchcase(fault.where, entry["where"])
                and fault.rule == entry["rule"]
                and entry.get("says", "") in fault.message
            ):
                self.met.add(index)
                return True
        return False

    def stale(self) -> list[dict]:
        return [entry for index, entry in enumerate(self.entries) if index not in self.met]


class Check:
    """One walk. Call `run`, then read `rows` and `known`."""

    def __init__(self, description: Description, world: World, known: list[dict]):
        self.description, self.world, self.known = description, world, Known(known)
        self.rows: list[Row] = []

    def run(self):
        with WebhookReceiver() as receiver:
            self.world.make("PATCH", f"/messaging_profiles/{self.world.profile_id}", {"webhook_url": receiver.url})
            for operation in self.description.operations():
                self.rows.append(self.operation(operation))
            if "webhooks" in self.description.document:
                self.rows.extend(self.webhooks(receiver))

    @property
    def failed(self) -> bool:
        return any(row.mismatches for row in self.rows)

    def operation(self, operation: Operation) -> Row:
        row = Row(operation.name)
        unknown = operation.path
        for parameter in operation.parameters:
            unknown = unknown.replace(f"{{{parameter}}}", UNKNOWN)
        valid, excuse = self.valid_calls(operation, unknown)
        first = self.call(row, operation, "a valid call", valid[0])
        row.emulated = first != 501
        if row.emulated and excuse:
            row.mismatches.append(f"answers {first}, but {excuse}")
        elif row.emulated and first >= 300:
            row.mismatches.append(f"a valid call was answered with {first}")
        for call in valid[1:]:
            self.call(row, operation, "a valid call", call)
        self.call(row, operation, "a wrong key", Call(unknown, valid[0].body), key="KEYwrong", expected={401})
        self.call(row, operation, "no key", Call(unknown, valid[0].body), key="", expected={401})
        for case, call, expected in self.bad_calls(operation, unknown, valid[0]):
            self.call(row, operation, case, call, expected=expected if row.emulated else {501})
        return row

    def valid_calls(self, operation: Operation, unknown: str) -> tuple[list[Call], str | None]:
        """Valid calls; or one that at least reaches the operation, and why there is no better one."""
        has_body = "requestBody" in operation.spec
        fallback = [Call(unknown, {} if has_body else None)]
        if operation.name not in VALID:
            return fallback, "tests/answers/calls.py knows no valid call of it"
        try:
            return VALID[operation.name](self.world), None
        except Refused as refused:
            return fallback, f"no valid call could be made: {refused}"

    def bad_calls(self, operation: Operation, unknown: str, valid: Call):
        """Calls that cannot succeed, with the statuses they may be answered with (none: any but 5xx)."""
        if operation.parameters:
            yield "an unknown id", Call(unknown, valid.body, valid.content_type), {400, 404, 422}
        schema = self.description.body_schema(operation)
        if schema is None:
            return
        refusal = {400, 404, 415, 422}
        properties, required = self.description.properties(schema)
        path = valid.path
        yield "no JSON", Call(path, b'{"text": '), refusal
        yield "a list", Call(path, []), refusal
        if required:
            yield "no body", Call(path), refusal
            yield "an empty object", Call(path, {}), refusal
        if not isinstance(valid.body, dict):
            return
        for name in sorted(required & valid.body.keys()):
            yield f"no `{name}`", Call(path, {key: value for key, value in valid.body.items() if key != name}), refusal
        for name in sorted(properties):
            body = copy.deepcopy(valid.body)
            body[name] = {"wrong": ["type"]}
            yield f"an object for `{name}`", Call(path, body), set()

    def call(self, row: Row, operation: Operation, case: str, call: Call, key=None, expected=frozenset()) -> int:
        answer = self.world.send(operation.method, call, key)
        row.calls += 1
        kind = answer.headers.get("content-type", "")
        if answer.status == 501:
            faults = self.not_emulated(row, operation, call, answer)
        else:
            faults = self.description.check_answer(operation, answer.status, kind, answer.body)
        if expected and answer.status not in expected:
            faults.append(Fault("", "expected", f"not one of {sorted(expected)}: {answer.body[:120].decode(errors='replace')}"))
        elif answer.status >= 500 and answer.status != 501:
            faults.append(Fault("", "server-error", answer.body[:120].decode(errors="replace")))
        self.note(row, case, answer.status, faults)
        return answer.status

    def not_emulated(self, row: Row, operation: Operation, call: Call, answer) -> list[Fault]:
        """A 501 keeps the error envelope and names what is not done: the operation, or one parameter of it."""
        faults = self.description.check(ERROR_ENVELOPE, answer.json(), f"{operation.name} 501")
        detail = str(answer.json().get("errors", [{}])[0].get("detail"))
        if f"{operation.method} /v2{call.path.split('?')[0]}" in detail:
            return faults
        parameters = set(re.findall(r"`([^`]+)`", detail))
        if not parameters:
            faults.append(Fault("errors/*/detail", "names-what", detail))
        row.without |= parameters
        return faults

    def note(self, row: Row, case: str, status: int, faults: list[Fault]):
        for fault in faults:
            if self.known.excuse(row.name, status, fault):
                row.excused += 1
            else:
                text = f"{case} -> {status}: {fault.where or 'the answer'}: {fault.rule}: {fault.message}"
                if text not in row.mismatches:
                    row.mismatches.append(text)

    def webhooks(self, receiver: WebhookReceiver) -> list[Row]:
        """Holds every webhook against the description, after one text of each kind."""
        world = self.world
        pixel = {"data": "iVBORw0KGgo=", "content_type": "image/png"}
        for more in ({"text": "Hello"}, {"text": "Look", "media": [pixel]}, {"text": "Hi both", "cc": ["+15551234568"]}):
            world.control("POST", "/texts", {"from": PHONE, "to": world.number, **more})
        world.sent()
        world.sent(media_urls=["https://example.com/cat.jpg"])
        world.control("POST", "/wait-idle", {"timeout_ms": 30_000})
        rows: dict[str, Row] = {}
        for webhook in receiver.all:
            name = WEBHOOKS.get(webhook.event_type)
            row = rows.setdefault(f"webhook {name or webhook.event_type}", Row(f"webhook {name or webhook.event_type}"))
            row.calls += 1
            faults = self.description.check_webhook(name, webhook.event) if name else []
            if not name:
                faults = [Fault("", "undeclared", f"the description has no webhook `{webhook.event_type}`")]
            self.note(row, webhook.event_type, 200, faults)
        for name in set(WEBHOOKS.values()):
            rows.setdefault(f"webhook {name}", Row(f"webhook {name}", mismatches=["none came"]))
        return list(rows.values())


def report(check: Check, with_missing: bool):
    print(f"{'operation':<78} {'answers':<9} {'calls':>5}  wrong")
    for row in check.rows:
        print(f"{row.name:<78} {'emulated' if row.emulated else '501':<9} {row.calls:>5}  {len(row.mismatches) or '-'}")
    emulated = sum(row.emulated for row in check.rows)
    mismatches = sum(len(row.mismatches) for row in check.rows)
    print(
        f"\n{emulated} emulated, {len(check.rows) - emulated} answer 501, {sum(row.calls for row in check.rows)} calls, "
        f"{mismatches} mismatches, {sum(row.excused for row in check.rows)} excused by known errors of the description"
    )
    for row in (row for row in check.rows if row.emulated and row.without):
        print(f"without: {row.name}: {', '.join(sorted(row.without))}")
    for row in (row for row in check.rows if row.mismatches):
        print(f"\n{row.name}")
        for mismatch in row.mismatches:
            print(f"  {mismatch}")
    for entry in check.known.stale():
        print(f"\nno longer needed: {entry['operation']} {entry['where']} {entry['rule']} ({entry['reason']})")
    if with_missing:
        print("\ndocumented, and never in an answer:")
        for name in check.description.never_seen():
            print(f"  {name}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="check-telnyx-answers", description=__doc__)
    parser.add_argument("description", metavar="PATH-TO-OPENAPI", help="OpenAPI 3.1 description of Telnyx's API, as JSON")
    parser.add_argument("base_url", nargs="?", help="a running sandbox's API, as in TELNYX_BASE_URL; one is started if absent")
    parser.add_argument("api_key", nargs="?", help="its API key")
    parser.add_argument("--missing", action="store_true", help="also list documented properties that no answer had")
    arguments = parser.parse_args()
    if arguments.base_url and not arguments.api_key:
        parser.error("BASE_URL needs API_KEY")
    description = Description.load(arguments.description)
    known = tomllib.loads(KNOWN.read_text())["known"]

    def walk(base_url: str, api_key: str) -> int:
        check = Check(description, World(base_url.rstrip("/"), api_key), known)
        check.run()
        report(check, arguments.missing)
        return 1 if check.failed else 0

    if arguments.base_url:
        return walk(arguments.base_url, arguments.api_key)
    with Sandbox() as sandbox:
        return walk(sandbox.api_url, sandbox.api_key)


if __name__ == "__main__":
    sys.exit(main())
