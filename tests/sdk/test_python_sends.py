"""The other ways to send with the Python SDK: scheduled, to groups, from pools and short codes."""

from datetime import datetime, timedelta

import pytest
import telnyx
from inlet_sandbox import PHONE

SECOND_PHONE = "+15551234568"


def later(sandbox, **more):
    """A time as the sandbox counts it."""
    return datetime.fromisoformat(sandbox.control("GET", "/clock")["now"]) + timedelta(**more)


@pytest.mark.parametrize("way", ["schedule", "send"])
def test_a_scheduled_message_waits_for_its_time(client, sandbox, receiver, way):
    send_at = later(sandbox, hours=1)
    sent = getattr(client.messages, way)(from_=sandbox.number, to=PHONE, text="In an hour", send_at=send_at).data
    assert sent.to[0].status == "scheduled"
    sandbox.wait_idle()
    assert receiver.all == []
    assert client.messages.retrieve(sent.id).data.to[0].status == "scheduled"

    sandbox.advance(3660)
    webhook = receiver.next("message.finalized")
    assert webhook.event["data"]["payload"]["id"] == sent.id
    assert client.messages.retrieve(sent.id).data.to[0].status == "delivered"


def test_a_scheduled_message_can_be_cancelled_while_there_is_time(client, sandbox, receiver):
    sent = client.messages.schedule(from_=sandbox.number, to=PHONE, text="Never", send_at=later(sandbox, hours=1)).data
    cancelled = client.messages.cancel_scheduled(sent.id)
    assert (cancelled.id, cancelled.to[0].status, cancelled.text) == (sent.id, "cancelled", "Never")
    sandbox.advance(7200)
    sandbox.wait_idle()
    assert [webhook for webhook in receiver.all if webhook.event_type == "message.sent"] == []
    assert client.messages.retrieve(sent.id).data.to[0].status == "cancelled"


def test_what_went_out_cannot_be_cancelled(client, sandbox):
    sent = client.messages.send(from_=sandbox.number, to=PHONE, text="Gone").data
    with pytest.raises(telnyx.APIStatusError) as raised:
        client.messages.cancel_scheduled(sent.id)
    assert 400 <= raised.value.status_code < 500
    with pytest.raises(telnyx.NotFoundError):
        client.messages.cancel_scheduled("3fa85f64-5717-4562-b3fc-2c963f66afa6")


@pytest.mark.parametrize("away", [{"minutes": 1}, {"days": 6}], ids=["too soon", "too late"])
def test_a_time_outside_five_minutes_to_five_days_is_refused(client, sandbox, away):
    with pytest.raises(telnyx.BadRequestError):
        client.messages.schedule(from_=sandbox.number, to=PHONE, text="Hello", send_at=later(sandbox, **away))


def test_a_group_gets_one_message_and_a_receipt_for_each_member(client, sandbox, receiver):
    sent = client.messages.send_group_mms(from_=sandbox.number, to=[PHONE, SECOND_PHONE], text="Hello, both").data
    assert sent.type == "MMS"
    assert {party.phone_number for party in sent.to} == {PHONE, SECOND_PHONE}
    sandbox.wait_idle()
    members = client.messages.retrieve_group_messages(sent.id).data
    assert {party.phone_number for message in members for party in message.to} == {PHONE, SECOND_PHONE}
    finalized = [webhook.event["data"]["payload"] for webhook in receiver.all if webhook.event_type == "message.finalized"]
    assert [payload["id"] for payload in finalized] == [sent.id, sent.id]


def test_a_group_of_nine_is_refused(client, sandbox):
    with pytest.raises(telnyx.BadRequestError):
        client.messages.send_group_mms(from_=sandbox.number, to=[f"+1555123{n:04}" for n in range(9)], text="Hello")


def test_a_long_code_is_sent_from(client, sandbox):
    sent = client.messages.send_long_code(from_=sandbox.number, to=PHONE, text="Hello").data
    assert sent.from_.phone_number == sandbox.number


def test_a_forced_encoding_is_kept(client, sandbox):
    sent = client.messages.send(from_=sandbox.number, to=PHONE, text="Hello", encoding="ucs2").data
    assert sent.encoding == "UCS-2"


def test_a_number_pool_chooses_one_of_its_numbers(client, sandbox, profile_id):
    settings = {"toll_free_weight": 1, "long_code_weight": 1, "skip_unhealthy": False}
    client.messaging_profiles.update(profile_id, number_pool_settings=settings)
    sent = client.messages.send_number_pool(messaging_profile_id=profile_id, to=PHONE, text="Hello").data
    assert sent.from_.phone_number in sandbox.numbers


def test_a_short_code_is_sent_from(client, sandbox):
    codes = list(client.short_codes.list())
    assert codes, "the account has a short code"
    sent = client.messages.send_short_code(from_=codes[0].short_code, to=PHONE, text="Hello").data
    assert sent.from_.phone_number == codes[0].short_code


def test_a_name_is_sent_from_where_names_are_allowed(client, profile_id):
    client.messaging_profiles.update(profile_id, whitelisted_destinations=["GB", "US"], alpha_sender="Clinic")
    sent = client.messages.send_with_alphanumeric_sender(
        from_="Clinic", to="+447700900123", text="Hello", messaging_profile_id=profile_id
    ).data
    assert sent.from_.phone_number == "Clinic"
