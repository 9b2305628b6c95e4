"""Telnyx's Python SDK sends, retrieves and repeats messages."""

import pytest
from inlet_sandbox import PHONE
from telnyx import Telnyx


def send(client, sandbox, text="Hello", **more):
    return client.messages.send(from_=sandbox.number, to=PHONE, text=text, **more).data


def test_a_sent_message_is_queued_and_can_be_retrieved(client, sandbox, profile_id):
    sent = send(client, sandbox, "Grüße 👋", subject="hi")
    assert (sent.direction, sent.record_type, sent.type) == ("outbound", "message", "SMS")
    assert (sent.from_.phone_number, sent.to[0].phone_number, sent.to[0].status) == (sandbox.number, PHONE, "queued")
    assert (sent.text, sent.encoding, sent.parts) == ("Grüße 👋", "UCS-2", 1)
    assert sent.messaging_profile_id == profile_id
    assert sent.valid_until > sent.received_at

    sandbox.wait_idle()
    found = client.messages.retrieve(sent.id).data
    assert (found.id, found.text, found.to[0].status) == (sent.id, sent.text, "delivered")
    assert found.sent_at and found.completed_at


def test_the_environment_alone_points_the_sdk_at_the_sandbox(sandbox, monkeypatch):
    monkeypatch.setenv("TELNYX_API_KEY", sandbox.api_key)
    monkeypatch.setenv("TELNYX_BASE_URL", sandbox.api_url)
    with Telnyx() as client:
        assert send(client, sandbox).id


def test_an_inbound_message_can_be_retrieved(client, sandbox):
    received = sandbox.text("Hi there")
    found = client.messages.retrieve(received["id"]).data
    assert (found.direction, found.text, found.from_.phone_number) == ("inbound", "Hi there", PHONE)


def test_parts_are_counted_as_carriers_count_them(client, sandbox):
    assert send(client, sandbox, "a" * 160).parts == 1
    assert send(client, sandbox, "a" * 161).parts == 2
    assert send(client, sandbox, "€" * 81).parts == 2
    assert send(client, sandbox, "ж" * 71).parts == 2


def test_a_picture_makes_a_message_an_mms(client, sandbox):
    sent = send(client, sandbox, "Look", media_urls=["https://example.com/cat.jpg"])
    assert sent.type == "MMS"
    assert [item.url for item in sent.media] == ["https://example.com/cat.jpg"]


def test_a_key_makes_one_message_of_two_requests(client, sandbox):
    first = send(client, sandbox, idempotency_key="order-1234567890")
    again = send(client, sandbox, idempotency_key="order-1234567890")
    assert first.id == again.id
    assert len(sandbox.messages()) == 1


def test_the_url_of_a_message_goes_before_that_of_its_profile(client, sandbox, receiver):
    sent = send(client, sandbox, webhook_url=receiver.url + "/own")
    webhook = receiver.next("message.finalized")
    assert webhook.path == "/webhooks/own"
    assert webhook.event["data"]["payload"]["id"] == sent.id


@pytest.mark.parametrize("fault", [
    {"kind": "api_status", "status": 429, "retry_after_seconds": 1, "count": 2},
    {"kind": "api_status", "status": 500, "count": 2},
    {"kind": "api_status", "status": 503, "count": 1},
], ids=["429", "500", "503"])
def test_the_sdk_recovers_from_a_passing_refusal_with_one_message(patient, sandbox, fault):
    sandbox.faults(fault)
    sent = send(patient, sandbox)
    assert [message["id"] for message in sandbox.messages()] == [sent.id]
    assert sandbox.control("GET", "/faults")["data"][0]["hits"] == fault["count"]
