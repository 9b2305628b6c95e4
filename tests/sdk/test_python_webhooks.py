"""`webhooks.unwrap` of the Python SDK accepts what the sandbox sent, and nothing else."""

import pytest
import telnyx
from inlet_sandbox import PHONE, Sandbox
from telnyx.types import DeliveryUpdateWebhookEvent, InboundMessageWebhookEvent


def refused(client, body, headers, **more):
    with pytest.raises((ValueError, telnyx.TelnyxError)) as raised:
        client.webhooks.unwrap(body, headers=headers, **more)
    return str(raised.value)


def test_a_text_is_verified_and_typed(client, sandbox, receiver):
    sandbox.text("Hello 👋")
    webhook = receiver.next()
    event = client.webhooks.unwrap(webhook.text, headers=webhook.headers)
    assert isinstance(event, InboundMessageWebhookEvent)
    payload = event.data.payload
    assert (event.data.event_type, payload.text) == ("message.received", "Hello 👋")
    assert (payload.from_.phone_number, payload.to[0].phone_number) == (PHONE, sandbox.number)


def test_a_picture_is_verified_and_downloads(client, sandbox, receiver):
    sandbox.text("Look", media=[(b"not really a jpeg", "image/jpeg")])
    webhook = receiver.next()
    payload = client.webhooks.unwrap(webhook.text, headers=webhook.headers).data.payload
    assert payload.type == "MMS"
    assert (payload.media[0].content_type, payload.media[0].size) == ("image/jpeg", 17)
    assert telnyx.DefaultHttpxClient().get(payload.media[0].url).content == b"not really a jpeg"


def test_receipts_are_verified_and_typed(client, sandbox, receiver):
    sent = client.messages.send(from_=sandbox.number, to=PHONE, text="Hello").data
    for event_type, status in [("message.sent", "sent"), ("message.finalized", "delivered")]:
        webhook = receiver.next(event_type)
        event = client.webhooks.unwrap(webhook.text, headers=webhook.headers)
        assert isinstance(event, DeliveryUpdateWebhookEvent)
        assert (event.data.payload.id, event.data.payload.to[0].status) == (sent.id, status)


def test_a_changed_body_is_refused(client, sandbox, receiver):
    sandbox.text("Pay 10")
    webhook = receiver.next()
    assert "does not match" in refused(client, webhook.text.replace("Pay 10", "Pay 99"), webhook.headers)
    assert "does not match" in refused(client, webhook.text + " ", webhook.headers)


def test_another_key_is_refused(client, sandbox, receiver):
    sandbox.text("Hello")
    webhook = receiver.next()
    with Sandbox() as stranger:
        assert "does not match" in refused(client, webhook.text, webhook.headers, key=stranger.public_key)


def test_a_changed_or_missing_header_is_refused(client, sandbox, receiver):
    sandbox.text("Hello")
    webhook = receiver.next()
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    later = {**headers, "telnyx-timestamp": str(int(headers["telnyx-timestamp"]) + 1)}
    assert "does not match" in refused(client, webhook.text, later)
    for name in ("telnyx-timestamp", "telnyx-signature-ed25519"):
        without = {key: value for key, value in headers.items() if key != name}
        assert "Missing required header" in refused(client, webhook.text, without)


@pytest.mark.parametrize(("fault", "reason"), [
    ("wrong_signature", "does not match"),
    ("stale_timestamp", "too old"),
    ("altered_body", "does not match"),
])
def test_what_a_fault_spoils_is_refused(client, sandbox, receiver, fault, reason):
    sandbox.faults({"kind": fault, "count": 1})
    sandbox.text("Hello")
    spoiled = receiver.next()
    assert reason in refused(client, spoiled.text, spoiled.headers)


def test_every_try_carries_a_signature_of_its_own(client, sandbox, receiver):
    receiver.statuses.append(500)
    sandbox.text("Hello")
    first = receiver.next()
    sandbox.advance(3600)
    second = receiver.next()
    assert first.event["data"]["id"] == second.event["data"]["id"]
    assert [first.event["meta"]["attempt"], second.event["meta"]["attempt"]] == [1, 2]
    client.webhooks.unwrap(first.text, headers=first.headers)


def test_a_retry_after_the_clock_moved_still_verifies(client, sandbox, receiver):
    receiver.statuses.append(500)
    sandbox.text("Hello")
    receiver.next()
    sandbox.advance(3600)
    retry = receiver.next()
    event = client.webhooks.unwrap(retry.text, headers=retry.headers)
    assert event.data.payload.text == "Hello"
    assert retry.event["meta"]["attempt"] == 2
