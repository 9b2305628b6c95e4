"""The Python SDK reads and changes messaging profiles."""

import pytest
import telnyx


def test_the_default_profile_is_listed_and_retrieved(client, profile_id, receiver):
    listed = list(client.messaging_profiles.list())
    assert [profile.id for profile in listed] == [profile_id]
    profile = client.messaging_profiles.retrieve(profile_id).data
    assert (profile.webhook_url, profile.webhook_api_version, profile.enabled) == (receiver.url, "2", True)


def test_a_changed_webhook_url_is_used_for_the_next_text(client, sandbox, profile_id, receiver):
    changed = client.messaging_profiles.update(profile_id, webhook_url=receiver.url + "/new", name="Renamed").data
    assert (changed.webhook_url, changed.name) == (receiver.url + "/new", "Renamed")
    sandbox.text("Hello")
    assert receiver.next().path == "/webhooks/new"


def test_a_change_that_cannot_be_raises_bad_request_error(client, profile_id):
    with pytest.raises(telnyx.BadRequestError) as raised:
        client.messaging_profiles.update(profile_id, webhook_url="no address")
    assert raised.value.body["errors"][0]["code"] == "10003"
