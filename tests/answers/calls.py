"""Valid calls of Telnyx's API, and what must exist before each; written from its description, operation by operation."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from uuid import uuid4

from inlet_sandbox import PHONE, request

UNKNOWN = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OTHER_PHONE = "+15551234568"


class Refused(Exception):
    """Something that a call needs could not be made."""


@dataclass
class Call:
    """One request: `path` below the base URL, `body` as JSON unless it is bytes."""

    path: str
    body: object = None
    content_type: str = "application/json"


class World:
    """The account that is called, and what was made in it."""

    def __init__(self, base_url: str, api_key: str):
        self.base_url, self.api_key = base_url, api_key
        self.control_url = base_url.removesuffix("/v2") + "/sandbox/v1"
        account = self.control("GET", "/account")
        self.number: str = account["numbers"][0]
        self.profile_id: str = account["messaging_profile_id"]
        self.short_code = next(iter(account.get("short_codes", [])), "12345")

    def send(self, method: str, call: Call, key: str | None = None):
        headers = {"authorization": f"Bearer {self.api_key if key is None else key}"}
        if call.body is not None:
            headers["content-type"] = call.content_type
        body = call.body if call.body is None or isinstance(call.body, bytes) else json.dumps(call.body).encode()
        return request(method, self.base_url + call.path, body, headers)

    def make(self, method: str, path: str, body=None):
        """Makes what a call needs, and gives its `data`."""
        answer = self.send(method, Call(path, body))
        if answer.status >= 300:
            raise Refused(f"{method} {path} answered {answer.status}")
        answered = answer.json() if answer.body else {}
        return answered.get("data", answered) if isinstance(answered, dict) else answered

    def control(self, method: str, path: str, body=None):
        headers = {"authorization": f"Bearer {self.api_key}"}
        answer = request(method, self.control_url + path, body, headers)
        if answer.status >= 300:
            raise Refused(f"{method} {path} of the control API answered {answer.status}: {answer.body!r}")
        return answer.json() if answer.body else None

    # What calls need.

    def sent(self, **more) -> str:
        return self.make("POST", "/messages", {**self.message(), **more})["id"]

    def message(self) -> dict:
        return {"from": self.number, "to": PHONE, "text": "Hello"}

    def group(self) -> dict:
        return {"from": self.number, "to": [PHONE, OTHER_PHONE], "text": "Hello, you two"}

    def scheduled(self) -> dict:
        at = datetime.now(timezone.utc) + timedelta(hours=1)
        return {**self.message(), "send_at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def profile(self) -> str:
        return self.make("POST", "/messaging_profiles", self.new_profile())["id"]

    def new_profile(self) -> dict:
        return {"name": f"Profile {uuid4()}", "whitelisted_destinations": ["US"]}

    def number_id(self) -> str:
        return self.make("GET", "/phone_numbers/messaging")[0]["id"]

    def short_code_id(self) -> str:
        codes = self.make("GET", "/short_codes")
        if not codes:
            raise Refused("the account has no short code")
        return codes[0]["id"]

    def autoresponder(self) -> dict:
        return {"country_code": "US", "keywords": [f"WORD{uuid4().hex[:6]}"], "op": "info", "resp_text": "Here is some help, and more of it."}

    def autoresponder_id(self) -> str:
        return self.make("POST", f"/messaging_profiles/{self.profile_id}/autoresp_configs", self.autoresponder())["id"]

    def media(self, name: str | None = None) -> str:
        name = name or f"picture-{uuid4()}.png"
        answer = self.send("POST", multipart("/media", {"media_name": name}, ("media", name, b"\x89PNG not really", "image/png")))
        if answer.status >= 300:
            raise Refused(f"POST /media answered {answer.status}")
        return name

    def alpha_sender(self) -> dict:
        return {"alphanumeric_sender_id": f"Shop{uuid4().hex[:6]}", "messaging_profile_id": self.profile_id}

    def alpha_name(self) -> str:
        return self.make("POST", "/alphanumeric_sender_ids", self.alpha_sender())["alphanumeric_sender_id"]

    def alpha_sender_id(self) -> str:
        return self.make("POST", "/alphanumeric_sender_ids", self.alpha_sender())["id"]

    def delivery_id(self) -> str:
        self.control("POST", "/texts", {"from": PHONE, "to": self.number, "text": "Hello"})
        self.control("POST", "/wait-idle", {"timeout_ms": 20_000})
        return self.make("GET", "/webhook_deliveries")[0]["id"]

    def opted_out(self):
        text = {"from": OTHER_PHONE, "to": self.number}
        self.control("POST", "/texts", {**text, "text": "STOP"})
        self.control("POST", "/wait-idle", {"timeout_ms": 20_000})

    def bulk_order(self) -> str:
        return self.make("POST", "/messaging_numbers_bulk_updates", self.bulk())["order_id"]

    def bulk(self) -> dict:
        return {"messaging_profile_id": self.profile_id, "numbers": [self.number]}


def multipart(path: str, fields: dict[str, str], file: tuple[str, str, bytes, str]) -> Call:
    """A form with a file: (field, file name, content, type)."""
    edge, (field, name, content, kind) = "edge-of-a-part", file
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
    body = ("".join(parts) + head).encode() + content + f"\r\n--{edge}--\r\n".encode()
    return Call(path, body, f"multipart/form-data; boundary={edge}")


def _deliveries(world: World) -> list[Call]:
    world.delivery_id()
    return [Call("/webhook_deliveries"), Call("/webhook_deliveries?filter[status][eq]=delivered&page[size]=1")]


def _optouts(world: World) -> list[Call]:
    world.opted_out()
    return [Call("/messaging_optouts"), Call(f"/messaging_optouts?filter[messaging_profile_id]={world.profile_id}")]


def _detail_records(world: World) -> list[Call]:
    world.sent()
    world.control("POST", "/wait-idle", {"timeout_ms": 20_000})
    return [Call("/detail_records?filter[record_type]=messaging"), Call("/detail_records?filter[record_type]=messaging&page[size]=1")]


def _message(world: World) -> list[Call]:
    received = world.control("POST", "/texts", {"from": PHONE, "to": world.number, "text": "Hi"})["id"]
    pixel = {"data": "iVBORw0KGgo=", "content_type": "image/png"}
    picture = world.control("POST", "/texts", {"from": PHONE, "to": world.number, "text": "Look", "media": [pixel]})["id"]
    sent = world.sent()
    world.control("POST", "/wait-idle", {"timeout_ms": 20_000})
    return [Call(f"/messages/{found}") for found in (received, picture, sent, world.sent())]


def _send(world: World) -> list[Call]:
    plain = world.message()
    picture = {**plain, "media_urls": ["https://example.com/cat.jpg"], "subject": "A cat"}
    urls = {"webhook_url": "http://127.0.0.1:1/hook", "webhook_failover_url": "http://127.0.0.1:1/failover", "use_profile_webhooks": False}
    bodies = [plain, picture, {**plain, "type": "SMS", "encoding": "ucs2", "auto_detect": True, **urls}]
    return [Call("/messages", body) for body in [*bodies, {**plain, "messaging_profile_id": world.profile_id}]]


def _profiles_below(path: str):
    return lambda world: [Call(f"/messaging_profiles/{world.profile_id}{path}")]


# Operations that are not here are expected to answer 501.
VALID = {
    "POST /messages": _send,
    "GET /messages/{id}": _message,
    "DELETE /messages/{id}": lambda world: [Call(f"/messages/{world.make('POST', '/messages/schedule', world.scheduled())['id']}")],
    "POST /messages/schedule": lambda world: [Call("/messages/schedule", world.scheduled())],
    "POST /messages/long_code": lambda world: [Call("/messages/long_code", world.message())],
    "POST /messages/short_code": lambda world: [Call("/messages/short_code", {**world.message(), "from": world.short_code})],
    "POST /messages/number_pool": lambda world: [
        Call("/messages/number_pool", {"to": PHONE, "text": "Hello", "messaging_profile_id": world.profile_id})
    ],
    "POST /messages/group_mms": lambda world: [Call("/messages/group_mms", world.group())],
    "GET /messages/group/{message_id}": lambda world: [
        Call(f"/messages/group/{world.make('POST', '/messages/group_mms', world.group())['id']}")
    ],
    "POST /messages/alphanumeric_sender_id": lambda world: [
        Call(
            "/messages/alphanumeric_sender_id",
            {"from": world.alpha_name(), "to": "+447700900123", "text": "Hello", "messaging_profile_id": world.profile_id},
        )
    ],
    "GET /messaging_profiles": lambda world: [
        Call(f"/messaging_profiles{query}") for query in ("", "?page[size]=1", "?filter[name][contains]=e", "?page[number]=99")
    ],
    "POST /messaging_profiles": lambda world: [Call("/messaging_profiles", world.new_profile())],
    "GET /messaging_profiles/{id}": _profiles_below(""),
    "PATCH /messaging_profiles/{id}": lambda world: [
        Call(f"/messaging_profiles/{world.profile_id}", {"name": "Renamed"}),
        Call(f"/messaging_profiles/{world.profile_id}", {"mms_fall_back_to_sms": True, "whitelisted_destinations": ["US", "GB"]}),
        Call(f"/messaging_profiles/{world.profile_id}", {"daily_spend_limit": "10.00", "daily_spend_limit_enabled": True}),
    ],
    "DELETE /messaging_profiles/{id}": lambda world: [Call(f"/messaging_profiles/{world.profile()}")],
    "POST /messaging_profiles/{id}/actions/regenerate_secret": lambda world: [
        Call(f"/messaging_profiles/{world.profile()}/actions/regenerate_secret")
    ],
    "GET /messaging_profiles/{id}/phone_numbers": _profiles_below("/phone_numbers"),
    "GET /messaging_profiles/{id}/short_codes": _profiles_below("/short_codes"),
    "GET /messaging_profiles/{id}/metrics": _profiles_below("/metrics"),
    "GET /messaging_profiles/{id}/alphanumeric_sender_ids": _profiles_below("/alphanumeric_sender_ids"),
    "GET /messaging_profile_metrics": lambda world: [Call("/messaging_profile_metrics")],
    "GET /messaging_profiles/{profile_id}/autoresp_configs": lambda world: [
        Call(f"/messaging_profiles/{world.profile_id}/autoresp_configs") for _ in [world.autoresponder_id()]
    ],
    "POST /messaging_profiles/{profile_id}/autoresp_configs": lambda world: [
        Call(f"/messaging_profiles/{world.profile_id}/autoresp_configs", world.autoresponder())
    ],
    "GET /messaging_profiles/{profile_id}/autoresp_configs/{autoresp_cfg_id}": lambda world: [
        Call(f"/messaging_profiles/{world.profile_id}/autoresp_configs/{world.autoresponder_id()}")
    ],
    "PUT /messaging_profiles/{profile_id}/autoresp_configs/{autoresp_cfg_id}": lambda world: [
        Call(f"/messaging_profiles/{world.profile_id}/autoresp_configs/{world.autoresponder_id()}", world.autoresponder())
    ],
    "DELETE /messaging_profiles/{profile_id}/autoresp_configs/{autoresp_cfg_id}": lambda world: [
        Call(f"/messaging_profiles/{world.profile_id}/autoresp_configs/{world.autoresponder_id()}")
    ],
    "GET /phone_numbers": lambda world: [Call("/phone_numbers"), Call("/phone_numbers?filter[number_type][eq]=local&sort=phone_number")],
    "GET /phone_numbers/messaging": lambda world: [
        Call("/phone_numbers/messaging"), Call(f"/phone_numbers/messaging?filter[messaging_profile_id]={world.profile_id}")
    ],
    "GET /phone_numbers/{id}/messaging": lambda world: [Call(f"/phone_numbers/{world.number_id()}/messaging")],
    "PATCH /phone_numbers/{id}/messaging": lambda world: [
        Call(f"/phone_numbers/{world.number_id()}/messaging", {"messaging_profile_id": world.profile_id, "tags": ["front desk"]})
    ],
    "POST /messaging_numbers_bulk_updates": lambda world: [Call("/messaging_numbers_bulk_updates", world.bulk())],
    "GET /messaging_numbers_bulk_updates/{order_id}": lambda world: [Call(f"/messaging_numbers_bulk_updates/{world.bulk_order()}")],
    "GET /reports/mdrs": lambda world: [Call("/reports/mdrs"), Call("/reports/mdrs?direction=OUTBOUND&message_type=SMS")],
    "GET /short_codes": lambda world: [Call("/short_codes")],
    "GET /short_codes/{id}": lambda world: [Call(f"/short_codes/{world.short_code_id()}")],
    "PATCH /short_codes/{id}": lambda world: [Call(f"/short_codes/{world.short_code_id()}", {"messaging_profile_id": world.profile_id})],
    "GET /messaging_optouts": _optouts,
    "GET /webhook_deliveries": _deliveries,
    "GET /webhook_deliveries/{id}": lambda world: [Call(f"/webhook_deliveries/{world.delivery_id()}")],
    "GET /detail_records": _detail_records,
    "GET /media": lambda world: [Call("/media") for _ in [world.media()]],
    "POST /media": lambda world: [
        multipart("/media", {"media_name": f"{uuid4()}.png"}, ("media", "cat.png", b"\x89PNG not really", "image/png"))
    ],
    "GET /media/{media_name}": lambda world: [Call(f"/media/{world.media()}")],
    "PUT /media/{media_name}": lambda world: [
        multipart(f"/media/{world.media()}", {"ttl_secs": "60"}, ("media", "dog.png", b"\x89PNG another", "image/png"))
    ],
    "DELETE /media/{media_name}": lambda world: [Call(f"/media/{world.media()}")],
    "GET /media/{media_name}/download": lambda world: [Call(f"/media/{world.media()}/download")],
    "GET /alphanumeric_sender_ids": lambda world: [Call("/alphanumeric_sender_ids")],
    "POST /alphanumeric_sender_ids": lambda world: [Call("/alphanumeric_sender_ids", world.alpha_sender())],
    "GET /alphanumeric_sender_ids/{id}": lambda world: [Call(f"/alphanumeric_sender_ids/{world.alpha_sender_id()}")],
    "DELETE /alphanumeric_sender_ids/{id}": lambda world: [Call(f"/alphanumeric_sender_ids/{world.alpha_sender_id()}")],
    "GET /balance": lambda world: [Call("/balance")],
}
