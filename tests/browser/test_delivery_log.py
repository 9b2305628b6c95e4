"""The delivery log beside the phones: what was sent and answered, and sending it once more in three ways."""

import json
import subprocess
import time

import pytest
from phone_page import verifies
from playwright.sync_api import expect


@pytest.fixture
def delivered(page, receiver):
    """A page whose log has a text that was delivered; gives the webhook."""
    page.write("look at me")
    webhook = receiver.next("message.received")
    expect(page.rows().first).to_contain_text("delivered · 200")
    return webhook


def test_a_delivery_shows_request_answer_and_timing_of_each_attempt(page, delivered):
    detail = page.open_delivery()
    attempt = detail.locator(".attempt")
    expect(attempt.locator("summary")).to_contain_text("Attempt 1")
    expect(attempt.locator("summary .attempt-time")).to_contain_text("ms")
    headers = {name.lower(): value for name, value in delivered.headers.items()}
    for name in ("telnyx-signature-ed25519", "telnyx-timestamp", "content-type"):
        expect(attempt.get_by_label("Request headers")).to_contain_text(headers[name])
    body = attempt.get_by_label("Request body", exact=True)
    expect(body).to_be_visible()
    assert body.text_content() == delivered.text
    expect(attempt.get_by_label("Response headers")).to_contain_text("content-length")


def test_the_log_is_filtered_by_words_type_and_status(page, sandbox, receiver, delivered):
    receiver.statuses = [500] * 9
    sandbox.text("another", sender="+13125550177")
    expect(page.rows()).to_have_count(2)
    page.page.get_by_label("Status", exact=True).select_option("delivered")
    expect(page.rows()).to_have_count(1)
    page.page.get_by_label("Status", exact=True).select_option("")
    page.page.get_by_label("Filter by words").fill("+13125550177 received")
    expect(page.rows()).to_have_count(1)
    page.page.get_by_label("Filter by words").fill("nothing like it")
    expect(page.page.get_by_text("No delivery matches the filter.")).to_be_visible()
    page.page.get_by_label("Filter by words").fill("")
    page.page.get_by_label("Event type").select_option("message.received")
    expect(page.rows()).to_have_count(2)


def test_send_again_repeats_the_event_with_a_fresh_signature(page, sandbox, receiver, delivered):
    page.open_delivery().get_by_role("button", name="Send again").click()
    page.notice("goes out again")
    again = receiver.next("message.received")
    assert again.event["data"] == delivered.event["data"]
    assert verifies(again, sandbox.public_key)
    expect(page.rows()).to_have_count(2)


def test_edit_and_send_signs_what_was_written(page, sandbox, receiver, delivered):
    page.open_delivery().get_by_role("button", name="Edit and send").click()
    dialog = page.page.get_by_role("dialog")
    body = dialog.locator("textarea[name=body]")
    expect(body).to_have_value(delivered.text)
    body.fill(delivered.text.replace("look at me", "look at this").replace("\n", "\n ", 1))
    dialog.get_by_role("button", name="New event id").click()
    written = body.input_value()
    dialog.get_by_role("button", name="Send", exact=True).click()
    edited = receiver.next()
    assert edited.text == written
    assert edited.event["data"]["payload"]["text"] == "look at this"
    assert edited.event["data"]["id"] != delivered.event["data"]["id"]
    assert verifies(edited, sandbox.public_key)
    expect(dialog).to_have_count(0)
    expect(page.page.locator(".detail .facts")).to_contain_text(edited.event["data"]["id"])


def test_a_syntax_error_is_shown_where_it_is(page, delivered):
    page.open_delivery().get_by_role("button", name="Edit and send").click()
    dialog = page.page.get_by_role("dialog")
    body = dialog.locator("textarea[name=body]")
    broken = '{\n  "data": {"id": "1",}\n}'
    body.fill(broken)
    expect(dialog.get_by_role("status")).to_contain_text("line 2, column 22: a name in double quotes is expected here")
    dialog.get_by_role("button", name="Show").click()
    assert body.evaluate("(field) => field.selectionStart") == broken.index("}")
    expect(dialog.get_by_role("button", name="Send anyway")).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.page.get_by_role("button", name="Edit and send")).to_be_focused()


@pytest.mark.parametrize(
    "text, line, column",
    [("", 1, 1), ("{", 1, 2), ("[1,]", 1, 4), ("[1 2]", 1, 4), ('{"a" 1}', 1, 6), ("01", 1, 2), ('"a\nb"', 1, 3), ('"\\x"', 1, 2)],
)
def test_the_place_of_a_syntax_error_is_found(page, text, line, column):
    found = page.page.evaluate("async (text) => (await import('/ui/json.js')).findError(text)", text)
    assert (found["line"], found["column"]) == (line, column)


def test_json_is_spread_out_without_being_changed(page):
    texts = ['{"a":[1,{"b":[]}],"c":{},"big":12345678901234567890,"e":"\\u00e9 {,}:"}', "[1.50e+3,true,null]", '"x"']
    for text in texts:
        spread = page.page.evaluate("async (text) => (await import('/ui/json.js')).pretty(text)", text)
        assert json.loads(spread) == json.loads(text)
        assert "12345678901234567890" in spread or "big" not in text
        assert "".join(spread.split()) == "".join(text.split())


def test_copy_as_curl_gives_a_command_that_verifies_whenever_it_is_run(page, sandbox, receiver):
    sandbox.faults({"kind": "stale_timestamp", "seconds": 3600})
    page.write("look at me")
    delivered = receiver.next("message.received")
    sandbox.faults()
    page.allow_clipboard()
    page.open_delivery().get_by_role("button", name="Copy as curl").click()
    page.notice("Copied.")
    command = page.clipboard()
    # The delivery's own signature names an hour ago; the command gets one that names the time at which it is run.
    for shell in ("bash", "sh"):
        done = subprocess.run([shell, "-c", command], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and done.stdout.startswith("HTTP/1.1 200"), done
        repeated = receiver.next("message.received")
        assert repeated.body == delivered.body
        assert verifies(repeated, sandbox.public_key)
        assert abs(time.time() - int(repeated.headers["telnyx-timestamp"])) < 60


def test_what_a_shell_would_read_is_quoted(page):
    script = "async (text) => (await import('/ui/curl.js')).quoted(text)"
    for text in ("it's $(rm) `x` \\ \"y\"", "", "a b"):
        word = page.page.evaluate(script, text)
        assert subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, text=True).stdout == text
