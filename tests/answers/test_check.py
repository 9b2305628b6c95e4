"""The check of Telnyx's answers passes on a truthful sandbox and fails on a planted lie."""

import json
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from inlet_sandbox import Sandbox, request

CHECK = Path(__file__).parent / "check.py"
sys.path.insert(0, str(CHECK.parent))

from description import Description  # noqa: E402

MESSAGE = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("direction", "encoding", "organization_id", "record_type", "text", "type")},
        **{name: {"type": ["string", "null"], "format": "date-time"} for name in ("completed_at", "sent_at", "valid_until")},
        **{name: {"type": ["string", "null"]} for name in ("subject", "tcr_campaign_id", "tcr_campaign_registered")},
        **{name: {"type": "array"} for name in ("cc", "errors", "media", "tags", "to")},
        **{name: {"type": ["object", "null"]} for name in ("cost", "cost_breakdown", "from")},
        **{name: {} for name in ("webhook_failover_url", "webhook_url", "wait_seconds", "num_chars", "group_message_id")},
        **{name: {"type": "boolean"} for name in ("smart_encoding_applied", "tcr_campaign_billable")},
        "id": {"type": "string", "format": "uuid"},
        "messaging_profile_id": {"type": "string"},
        "parts": {"type": "integer", "minimum": 1},
        "received_at": {"type": "string", "format": "date-time"},
    },
}
ERRORS = {"required": ["errors"], "properties": {"errors": {"type": "array"}}}
# Two operations in our own words, so that this test needs no description of Telnyx's.
DESCRIPTION = {
    "openapi": "3.1.0",
    "paths": {
        "/messages": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"required": ["to"], "properties": {"to": {"type": "string"}, "text": {"type": "string"}}}
                        }
                    }
                },
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {"properties": {"data": {"$ref": "#/components/schemas/Message"}}}
                            }
                        }
                    },
                    "4XX": {"content": {"application/json": {"schema": ERRORS}}},
                },
            }
        },
        "/messages/whatsapp": {"post": {"requestBody": {"content": {}}, "responses": {"200": {}, "4XX": {}}}},
    },
    "components": {"schemas": {"Message": MESSAGE}},
}


class LyingProxy:
    """Stands before a sandbox and changes its answers by `lie(status, json)`, which gives both back."""

    def __init__(self, target: str, lie):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("content-length", 0))
                names = ("authorization", "content-type")
                headers = {name: self.headers[name] for name in names if self.headers[name] is not None}
                answer = request(self.command, target + self.path, self.rfile.read(length) or None, headers)
                status, body = answer.status, answer.body
                if self.path == "/v2/messages" or self.path == "/v2/messages/whatsapp":
                    status, changed = lie(status, answer.json())
                    body = json.dumps(changed).encode()
                self.send_response(status)
                self.send_header("content-type", answer.headers.get("content-type", "text/plain"))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PATCH = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def _changed(body: dict, name: str, value):
    if "data" in body:
        body["data"][name] = value
    return body


def _without_titles(body: dict):
    for error in body.get("errors", []):
        del error["title"]
    return body


def _vague(body: dict):
    for error in body.get("errors", []):
        error["detail"] = "Not available."
    return body


LIES = {
    "none": (lambda status, body: (status, body), None),
    "a text where a number belongs": (lambda status, body: (status, _changed(body, "parts", "one")), "data/parts: type"),
    "an id that is none": (lambda status, body: (status, _changed(body, "id", "42")), "data/id: format"),
    "a property of our own": (lambda status, body: (status, _changed(body, "colour", "red")), "data/colour: undocumented"),
    "errors without their envelope": (
        lambda status, body: (status, body.get("errors", [body])[0] if status == 400 else body),
        "'errors' is a required property",
    ),
    "another status": (lambda status, body: (201 if status == 200 else status, body), "201 is not among the declared"),
    "a success for a wrong key": (lambda status, body: (200 if status == 401 else status, body), "a wrong key -> 200"),
    "a crash": (lambda status, body: (500 if status == 400 else status, body), "server-error"),
    "a 501 that names nothing": (lambda status, body: (status, _vague(body) if status == 501 else body), "names-what"),
    "a 501 without title": (lambda status, body: (status, _without_titles(body) if status == 501 else body), "'title' is a required"),
    "an imitation of what is not emulated": (
        lambda status, body: (200 if status == 501 else status, body),
        "calls.py knows no valid call of it",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_the_check_fails_on_a_planted_lie_and_only_then(name, tmp_path):
    lie, found = LIES[name]
    description = tmp_path / "description.json"
    description.write_text(json.dumps(DESCRIPTION))
    with Sandbox() as sandbox, LyingProxy(sandbox.url, lie) as proxy:
        command = [sys.executable, CHECK, description, f"{proxy.url}/v2", sandbox.api_key]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert "POST /messages " in ran.stdout, ran.stderr
    assert ran.returncode == (1 if found else 0), ran.stdout
    if found:
        assert found in ran.stdout, ran.stdout


def test_the_branch_that_an_answer_names_must_fit_even_where_others_fit_too():
    def record(name, **properties):
        return {"type": "object", "properties": {"record_type": {"type": "string", "default": name}, **properties}}

    records = {"Text": record("text", parts={"type": "integer"}), "Call": record("call", seconds={"type": "integer"})}
    references = [{"$ref": f"#/components/schemas/{name}"} for name in records]
    schema = {"oneOf": references, "discriminator": {"propertyName": "record_type"}}
    description = Description({"components": {"schemas": records}})
    assert description.check(schema, {"record_type": "text", "parts": 1}, "") == []
    (fault,) = description.check(schema, {"record_type": "text", "parts": "one"}, "")
    assert (fault.where, fault.rule) == ("parts", "type")
    assert description.check(schema, {"record_type": "call", "seconds": 1}, "") == []


def test_every_known_error_of_the_description_has_a_reason():
    known = tomllib.loads((CHECK.parent / "known-description-errors.toml").read_text())["known"]
    assert known and all(len(entry["reason"]) > 20 for entry in known)
    keys = [(entry["operation"], entry.get("status"), entry["where"], entry["rule"], entry.get("says")) for entry in known]
    assert len(set(keys)) == len(keys)
