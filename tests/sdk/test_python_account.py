"""The Python SDK manages what an account has: profiles, numbers, opt-outs, autoresponders, media, records."""

import pytest
import telnyx
from inlet_sandbox import PHONE


@pytest.fixture
def profile(client):
    return client.messaging_profiles.create(name="Second", whitelisted_destinations=["US"]).data


def test_a_profile_is_created_changed_and_deleted(client, profile):
    assert (profile.name, profile.whitelisted_destinations, profile.record_type) == ("Second", ["US"], "messaging_profile")
    assert client.messaging_profiles.retrieve(profile.id).data.name == "Second"
    assert client.messaging_profiles.update(profile.id, name="Renamed", enabled=False).data.enabled is False
    assert client.messaging_profiles.delete(profile.id).data.id == profile.id
    with pytest.raises(telnyx.NotFoundError):
        client.messaging_profiles.retrieve(profile.id)


def test_profiles_are_listed_over_all_pages_and_found_by_name(client):
    for number in range(7):
        client.messaging_profiles.create(name=f"Branch {number}", whitelisted_destinations=["US"])
    names = [profile.name for profile in client.messaging_profiles.list(page_size=3)]
    assert len(names) == 8 and len(set(names)) == 8
    assert [found.name for found in client.messaging_profiles.list(filter={"name": "Branch 4"})] == ["Branch 4"]
    assert len(list(client.messaging_profiles.list(filter_name_contains="ranch"))) == 7


def test_a_profile_without_a_name_is_refused(client):
    with pytest.raises(telnyx.BadRequestError) as raised:
        client.messaging_profiles.create(whitelisted_destinations=["US"], name=None)
    assert raised.value.body["errors"][0]["source"]["pointer"] == "/name"


def test_a_number_moves_to_another_profile_and_back(client, sandbox, profile, profile_id, receiver):
    (number,) = client.phone_numbers.messaging.list(filter_phone_number=sandbox.number)
    assert (number.phone_number, number.messaging_profile_id) == (sandbox.number, profile_id)
    assert number.features.mms.domestic_two_way is True

    client.messaging_profiles.update(profile.id, webhook_url=receiver.url + "/second")
    moved = client.phone_numbers.messaging.update(number.id, messaging_profile_id=profile.id).data
    assert moved.messaging_profile_id == profile.id
    assert [item.phone_number for item in client.messaging_profiles.list_phone_numbers(profile.id)] == [sandbox.number]
    sandbox.text("Hello")
    webhook = receiver.next()
    assert webhook.path == "/webhooks/second"
    assert webhook.event["data"]["payload"]["messaging_profile_id"] == profile.id

    client.phone_numbers.messaging.update(number.id, messaging_profile_id="")
    assert client.phone_numbers.messaging.retrieve(number.id).data.messaging_profile_id is None
    with pytest.raises(telnyx.BadRequestError):
        client.messages.send(from_=sandbox.number, to=PHONE, text="Hello")


def test_numbers_are_assigned_in_bulk(client, sandbox, profile):
    order = client.messaging_numbers_bulk_updates.create(messaging_profile_id=profile.id, numbers=[sandbox.number]).data
    assert client.messaging_numbers_bulk_updates.retrieve(order.order_id).data.success == [sandbox.number]
    assert [item.phone_number for item in client.messaging_profiles.list_phone_numbers(profile.id)] == [sandbox.number]


def test_an_autoresponder_answers_its_keyword(client, sandbox, receiver, profile_id):
    made = client.messaging_profiles.autoresp_configs.create(
        profile_id, country_code="US", keywords=["HOURS"], op="info", resp_text="We are open from nine to five."
    ).data
    sandbox.text("hours")
    sandbox.wait_idle()
    assert [message["text"] for message in sandbox.messages()] == ["We are open from nine to five."]

    changed = client.messaging_profiles.autoresp_configs.update(
        made.id, profile_id=profile_id, country_code="US", keywords=["OPEN"], op="info", resp_text="Nine to five, every day."
    ).data
    assert changed.keywords == ["OPEN"]
    assert [item.id for item in client.messaging_profiles.autoresp_configs.list(profile_id).data] == [made.id]
    client.messaging_profiles.autoresp_configs.delete(made.id, profile_id=profile_id)
    assert client.messaging_profiles.autoresp_configs.list(profile_id).data == []


def test_a_delivery_is_listed_with_every_attempt_the_latest_first(client, sandbox, receiver):
    receiver.statuses.append(500)
    sandbox.text("Hello")
    receiver.next()
    sandbox.advance(3600)
    receiver.next()
    sandbox.wait_idle()
    (delivery,) = client.webhook_deliveries.list(filter={"event_type": "message.received"})
    assert delivery.status == "delivered"
    assert [attempt.status for attempt in delivery.attempts] == ["delivered", "failed"]
    assert [attempt.http.response.status for attempt in delivery.attempts] == [200, 500]
    assert delivery.attempts[0].http.request.url == receiver.url
    assert delivery.webhook.event_type == "message.received"
    assert client.webhook_deliveries.retrieve(delivery.id).data.id == delivery.id
    assert list(client.webhook_deliveries.list(filter={"status": {"eq": "failed"}})) == []


def test_media_are_uploaded_and_downloaded(client, sandbox):
    picture = b"\x89PNG not really"
    name = telnyx.DefaultHttpxClient().post(
        f"{sandbox.api_url}/media",
        headers={"authorization": f"Bearer {sandbox.api_key}"},
        files={"media": ("cat.png", picture, "image/png")},
        data={"media_name": "cat.png"},
    ).json()["data"]["media_name"]
    assert client.media.retrieve(name).data.content_type == "image/png"
    assert client.media.download(name).read() == picture
    assert [item.media_name for item in client.media.list().data] == ["cat.png"]
    client.media.delete(name)
    with pytest.raises(telnyx.NotFoundError):
        client.media.retrieve(name)


def test_media_are_uploaded_from_a_url(client, sandbox, receiver):
    sandbox.text("Look", media=[(b"not really a jpeg", "image/jpeg")])
    url = receiver.next().event["data"]["payload"]["media"][0]["url"]
    uploaded = client.media.upload(media_url=url, media_name="copy.jpg").data
    assert uploaded.media_name == "copy.jpg"
    assert client.media.download("copy.jpg").read() == b"not really a jpeg"


def test_an_opt_out_is_listed_until_it_is_taken_back(client, sandbox, profile_id):
    assert list(client.messaging_optouts.list()) == []
    sandbox.text("STOP")
    sandbox.wait_idle()
    (opt_out,) = client.messaging_optouts.list(filter={"messaging_profile_id": profile_id})
    assert PHONE in (opt_out.from_, opt_out.to)
    assert opt_out.keyword == "STOP"
    sandbox.text("START")
    sandbox.wait_idle()
    assert list(client.messaging_optouts.list()) == []


def test_messages_appear_in_the_detail_records(client, sandbox):
    sent = client.messages.send(from_=sandbox.number, to=PHONE, text="Hello").data
    sandbox.text("Hi")
    sandbox.wait_idle()
    records = list(client.detail_records.list(filter={"record_type": "messaging"}))
    assert sorted(record.direction for record in records) == ["inbound", "outbound"]
    (record,) = [record for record in records if record.direction == "outbound"]
    assert (record.uuid, record.cli, record.cld, record.status) == (sent.id, sandbox.number, PHONE, "delivered")
