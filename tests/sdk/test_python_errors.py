"""Refusals reach Python as the SDK's own exceptions, with Telnyx's codes in them."""

import pytest
import telnyx
from inlet_sandbox import PHONE

UNKNOWN = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def error_of(raised) -> dict:
    """The one error of a refusal, in the documented envelope."""
    (error,) = raised.value.body["errors"]
    assert error["title"] and error["detail"]
    return error


def test_a_wrong_key_raises_authentication_error(client):
    with pytest.raises(telnyx.AuthenticationError) as raised:
        client.with_options(api_key="KEYwrong").messages.retrieve(UNKNOWN)
    assert raised.value.status_code == 401
    assert error_of(raised)["code"] == "10009"


def test_an_unknown_message_raises_not_found_error(client):
    with pytest.raises(telnyx.NotFoundError) as raised:
        client.messages.retrieve(UNKNOWN)
    assert error_of(raised)["code"] == "10005"


def test_an_unknown_profile_raises_not_found_error(client):
    with pytest.raises(telnyx.NotFoundError) as raised:
        client.messaging_profiles.retrieve(UNKNOWN)
    assert error_of(raised)["code"] == "10005"


@pytest.mark.parametrize(("change", "code", "pointer"), [
    ({"from_": "+15550009999"}, "40305", "/from"),
    ({"to": "nobody"}, "40310", "/to"),
    ({"text": "ж" * 700}, "40302", "/text"),
    ({"text": telnyx.NOT_GIVEN}, "40316", "/text"),
    ({"text": "", "media_urls": ["https://example.com/x"] * 11}, "40317", "/media_urls"),
], ids=["from", "to", "long", "empty", "media"])
def test_a_send_that_cannot_be_raises_bad_request_error(client, sandbox, change, code, pointer):
    with pytest.raises(telnyx.BadRequestError) as raised:
        client.messages.send(**{"from_": sandbox.number, "to": PHONE, "text": "Hello", **change})
    error = error_of(raised)
    assert error["code"] == code
    assert error["source"]["pointer"] == pointer
    assert sandbox.messages() == []


def test_a_send_after_stop_raises_with_40300(client, sandbox, receiver):
    sandbox.text("STOP")
    assert receiver.next().event["data"]["payload"]["autoresponse_type"] == "STOP"
    with pytest.raises(telnyx.BadRequestError) as raised:
        client.messages.send(from_=sandbox.number, to=PHONE, text="Hello")
    assert error_of(raised)["code"] == "40300"
    sandbox.text("START")
    client.messages.send(from_=sandbox.number, to=PHONE, text="Hello")


@pytest.mark.parametrize(("status", "exception"), [
    (403, telnyx.PermissionDeniedError),
    (409, telnyx.ConflictError),
    (422, telnyx.UnprocessableEntityError),
    (429, telnyx.RateLimitError),
    (500, telnyx.InternalServerError),
])
def test_a_lasting_refusal_raises_the_exception_of_its_status(client, sandbox, status, exception):
    sandbox.faults({"kind": "api_status", "status": status})
    with pytest.raises(exception) as raised:
        client.messages.send(from_=sandbox.number, to=PHONE, text="Hello")
    assert raised.value.status_code == status
    assert error_of(raised)["code"]


def test_rate_limit_error_comes_only_after_the_retries(patient, sandbox):
    sandbox.faults({"kind": "api_status", "status": 429, "retry_after_seconds": 1})
    with pytest.raises(telnyx.RateLimitError) as raised:
        patient.messages.send(from_=sandbox.number, to=PHONE, text="Hello")
    assert error_of(raised)["code"] == "10011"
    assert sandbox.control("GET", "/faults")["data"][0]["hits"] == 3
    assert sandbox.messages() == []


def test_an_answer_that_never_comes_raises_timeout_error(client, sandbox):
    sandbox.faults({"kind": "api_hang", "count": 1})
    with pytest.raises(telnyx.APITimeoutError):
        client.with_options(timeout=0.3).messages.retrieve(UNKNOWN)


def test_a_cut_connection_raises_connection_error_although_the_message_went_out(client, sandbox):
    sandbox.faults({"kind": "api_drop_after_accept", "count": 1})
    with pytest.raises(telnyx.APIConnectionError):
        client.messages.send(from_=sandbox.number, to=PHONE, text="Hello")
    assert len(sandbox.messages(wait_ms=5000)) == 1


def test_what_is_not_emulated_says_so(client):
    with pytest.raises(telnyx.InternalServerError) as raised:
        client.messages.whatsapp(from_="+15559876543", to=PHONE, whatsapp_message={})
    assert raised.value.status_code == 501
    error = error_of(raised)
    assert error["code"] == "10037"
    assert "POST /v2/messages/whatsapp" in error["detail"]


def test_what_is_not_emulated_is_not_tried_again(patient, sandbox):
    tries = []
    http = telnyx.DefaultHttpxClient(event_hooks={"request": [tries.append]})
    with pytest.raises(telnyx.InternalServerError):
        patient.with_options(http_client=http).messages.whatsapp(from_=sandbox.number, to=PHONE, whatsapp_message={})
    assert len(tries) == 1
