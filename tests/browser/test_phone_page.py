"""The page of phones: texts out, replies in, pictures, groups, several accounts, losses of the connection."""

import base64
from datetime import datetime, timedelta

import pytest
from inlet_sandbox import Sandbox, request
from phone_page import png, verifies
from playwright.sync_api import expect


def send(sandbox, path="/messages", **message):
    """What a receiver does to answer: the account sends through Telnyx's API."""
    answer = request("POST", f"{sandbox.api_url}{path}", message, {"authorization": f"Bearer {sandbox.api_key}"})
    assert answer.status == 200, answer.body
    return answer.json()["data"]


def shows(picture):
    """Waits until an image is there in full."""
    expect(picture).to_be_visible()
    picture.page.wait_for_function("(img) => img.complete && img.naturalWidth === 40", arg=picture.element_handle())


def test_a_text_reaches_the_receiver_and_its_reply_shows_on_the_phone(page, sandbox, receiver):
    page.write("Are you open?")
    webhook = receiver.next("message.received")
    payload = webhook.event["data"]["payload"]
    assert (payload["text"], payload["from"]["phone_number"]) == ("Are you open?", page.number())
    assert verifies(webhook, sandbox.public_key)
    mine = page.phone().locator(".message.mine")
    expect(mine.locator(".bubble")).to_have_text("Are you open?")
    expect(mine.locator(".step.good")).to_contain_text("delivered · 200")
    send(sandbox, **{"from": sandbox.number, "to": page.number(), "text": "Until five."})
    reply = page.phone().locator(".message.theirs")
    expect(reply.locator(".bubble")).to_have_text("Until five.")
    expect(reply.locator(".step")).to_have_text("delivered")


def test_the_attempts_of_a_webhook_tick_by_under_the_text(page, sandbox, receiver):
    receiver.statuses = [503]
    page.write("hello?")
    steps = page.phone().locator(".message.mine .step")
    expect(steps.first).to_contain_text("attempt 1 → 503")
    sandbox.advance(5)
    expect(steps.last).to_contain_text("delivered · 200")
    expect(steps.first).to_contain_text("attempt 1 → 503")
    expect(page.rows().first).to_contain_text("2 attempts")


def test_a_webhook_that_is_given_up_says_so(page, sandbox, receiver):
    receiver.statuses = [500] * 3
    page.write("hello?")
    steps = page.phone().locator(".message.mine .step")
    for attempt in (1, 2):
        expect(steps.nth(attempt - 1)).to_contain_text(f"attempt {attempt} → 500")
        sandbox.advance(60)
    expect(steps.last).to_have_text("given up")


def test_pictures_are_attached_arrive_and_show_on_both_sides(page, sandbox, receiver):
    files = [{"name": f"{name}.png", "mimeType": "image/png", "buffer": png()} for name in ("door", "window")]
    page.phone().locator("input[type=file]").set_input_files(files)
    expect(page.phone().get_by_role("list", name="Attachments to be sent").get_by_role("listitem")).to_have_count(2)
    page.phone().get_by_role("button", name="Remove window.png").click()
    page.phone().get_by_role("button", name="Send").click()
    media = receiver.next("message.received").event["data"]["payload"]["media"]
    assert [item["content_type"] for item in media] == ["image/png"]
    assert request("GET", media[0]["url"]).body == png()
    shows(page.phone().locator(".mine img.media"))
    send(sandbox, **{"from": sandbox.number, "to": page.number(), "text": "", "media_urls": [media[0]["url"]]})
    shows(page.phone().locator(".theirs img.media"))


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_come_by_paste_and_drop(page, receiver, way):
    script = """([way, data]) => {
      const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], 'photo.png', { type: 'image/png' }));
      const target = document.querySelector('.phone .composer textarea');
      const more = way === 'paste' ? { clipboardData: transfer } : { dataTransfer: transfer };
      const kind = way === 'paste' ? ClipboardEvent : DragEvent;
      target.dispatchEvent(new kind(way, { bubbles: true, cancelable: true, ...more }));
    }"""
    page.page.evaluate(script, [way, base64.b64encode(png()).decode()])
    expect(page.phone().locator(".waiting")).to_contain_text("photo.png")
    page.write("look")
    assert len(receiver.next("message.received").event["data"]["payload"]["media"]) == 1


def test_media_from_elsewhere_are_a_link_at_most(page, sandbox):
    urls = ["https://media.invalid/cat.png", "javascript:alert(1)"]
    text = {"from": page.number(), "to": sandbox.number, "text": "see", "media": [{"url": url} for url in urls]}
    sandbox.control("POST", "/texts", text)
    bubble = page.phone().locator(".mine .bubble")
    expect(bubble.get_by_role("link")).to_have_attribute("href", urls[0])
    expect(bubble).to_contain_text(urls[1])
    expect(bubble.locator("img")).to_have_count(0)
    expect(bubble.get_by_role("link")).to_have_count(1)


def test_several_phones_stand_side_by_side_and_are_remembered(page, receiver):
    first, second = page.number(), "+13125550188"
    page.add_phone(second)
    page.write("from two", page.phone(second))
    page.write("from one", page.phone(first))
    for number, text in ((first, "from one"), (second, "from two")):
        expect(page.phone(number).locator(".mine .bubble")).to_have_text(text)
    page.page.reload()
    expect(page.phone(second).locator(".mine .bubble")).to_have_text("from two")
    page.page.get_by_role("button", name=f"Remove phone {first}").click()
    page.page.reload()
    expect(page.page.locator(".phone")).to_have_count(1)
    # Whoever talks without a phone here is offered one.
    page.page.get_by_role("button", name=f"Show a phone for {first}").click()
    expect(page.phone(first).locator(".mine .bubble")).to_have_text("from one")


def test_a_phone_is_no_number_of_the_account_and_no_nonsense(page, sandbox):
    page.page.get_by_role("button", name="New phone").click()
    field, trouble = page.page.locator("#new-phone-number"), page.page.locator("#new-phone-trouble")
    field.fill(sandbox.number)
    field.press("Enter")
    expect(trouble).to_contain_text("belongs to the account")
    field.fill("seven")
    field.press("Enter")
    expect(trouble).to_contain_text("+15551234567")
    field.press("Escape")
    expect(page.page.get_by_role("button", name="New phone")).to_be_focused()


def test_no_invented_number_is_one_whose_messages_fail_by_rule(page):
    invented = page.page.evaluate(
        "async () => { const { inventNumber } = await import('/ui/numbers.js'); return Array.from({ length: 500 }, () => inventNumber([])); }"
    )
    assert len(invented) == 500 and not [number for number in invented if "5550190" <= number[5:] <= "5550199"]


def test_a_group_shows_on_each_phone_that_takes_part(page, sandbox, receiver):
    first, second = page.phone(page.number()), page.add_phone("+13125550188")
    first.get_by_role("button", name="New group").click()
    first.get_by_role("button", name="Add +13125550188").click()
    first.get_by_role("button", name="Start group").click()
    # It is drawn in the next frame, which a person cannot outrun.
    expect(first.locator(".chooser option:checked")).to_contain_text("Group")
    page.write("shall we meet?", first)
    payload = receiver.next("message.received").event["data"]["payload"]
    assert [party["phone_number"] for party in payload["cc"]] == ["+13125550188"]
    second.get_by_role("button", name="1 new from Group").click()
    theirs = second.locator(".message.theirs")
    expect(theirs.locator(".bubble")).to_have_text("shall we meet?")
    expect(theirs.locator(".speaker")).to_have_text(page.number())
    people = [page.number(), "+13125550188"]
    send(sandbox, "/messages/group_mms", **{"from": sandbox.number, "to": people, "text": "At three."})
    for phone in (first, second):
        expect(phone.locator(".theirs .bubble").last).to_have_text("At three.")
        # Of messages to groups carriers tell nothing.
        expect(phone.locator(".theirs .step").last).to_have_text("unknown")


def test_a_message_that_fails_shows_its_error(page, sandbox):
    sandbox.faults({"kind": "carrier_failure", "outcome": "delivery_failed", "code": "40008"})
    send(sandbox, **{"from": sandbox.number, "to": page.number(), "text": "lost"})
    under = page.phone().locator(".theirs .under")
    expect(under).to_contain_text("delivery failed")
    expect(under).to_contain_text("40008")


def test_texts_from_the_wire_stay_text(page, sandbox):
    hostile = '<img src=x onerror="document.title=`taken`"><script>document.title=1</script>'
    send(sandbox, **{"from": sandbox.number, "to": page.number(), "text": hostile})
    sandbox.text(hostile, sender=page.number())
    for side in ("theirs", "mine"):
        expect(page.phone().locator(f".{side} .bubble")).to_have_text(hostile)
    detail = page.open_delivery()
    expect(detail).to_contain_text("onerror")
    expect(page.page.locator("img[src=x], .bubble script")).to_have_count(0)
    assert page.page.title() == "Inlet sandbox"


def test_an_empty_sandbox_teaches_how_to_begin(open_page):
    with Sandbox() as sandbox:
        page = open_page(sandbox)
        connect = page.page.locator(".connect")
        for words in (sandbox.api_key, sandbox.public_key, f"TELNYX_BASE_URL='{sandbox.api_url}'", "inlet text +1"):
            expect(connect).to_contain_text(words)
        expect(connect).to_contain_text("webhooks go nowhere yet")
        connect.get_by_role("button", name="Send me a text").click()
        expect(page.phone().locator(".mine .bubble")).to_have_text("Hello from the sandbox!")
        expect(page.phone().locator(".mine .step")).to_contain_text("no URL is set")


def test_the_webhook_url_is_set_from_the_page(open_page, receiver):
    with Sandbox() as sandbox:
        page = open_page(sandbox)
        page.page.get_by_label("Webhook URL").fill(receiver.url)
        page.page.get_by_role("button", name="Save").click()
        page.notice(receiver.url)
        page.write("now?")
        assert receiver.next("message.received").event["data"]["payload"]["text"] == "now?"


def test_another_account_has_its_own_phones_and_messages(page, sandbox):
    page.write("for the first")
    expect(page.phone().locator(".mine .bubble")).to_have_text("for the first")
    number, first = page.number(), page.page.get_by_label("Account")
    sandbox.control("POST", "/accounts", {"name": "two", "numbers": ["+15550002222"]})
    page.page.reload()
    first.select_option("two")
    # The other account's own number: what is typed before it is there would go with the old phone.
    expect(page.page.get_by_role("log", name="+15550002222")).to_be_visible()
    expect(page.page.locator(".message")).to_have_count(0)
    page.write("for the second")
    expect(page.phone().locator(".mine .bubble")).to_have_text("for the second")
    expect(page.phone().get_by_label("talks to")).to_have_value("+15550002222")
    first.select_option("default")
    expect(page.phone(number).locator(".mine .bubble")).to_have_text("for the first")


def test_beyond_loopback_the_page_asks_for_the_key_once(open_page):
    with Sandbox(listen="0.0.0.0:0") as sandbox:
        sandbox.url = sandbox.url.replace("0.0.0.0", "127.0.0.1")
        page = open_page(sandbox)
        page.expected.append("401 (Unauthorized)")
        field = page.page.get_by_role("textbox", name="API key")
        field.fill("KEYwrong")
        field.press("Enter")
        expect(field).to_be_visible()
        field.fill(sandbox.api_key)
        field.press("Enter")
        page.is_live()
        page.page.reload()
        page.is_live()


def test_the_page_comes_back_when_the_sandbox_does(open_page, receiver):
    with Sandbox("--webhook-url", receiver.url) as sandbox:
        page = open_page(sandbox)
        page.is_live()
        page.write("before")
        expect(page.phone().locator(".mine .step.good")).to_be_visible()
    expect(page.page.locator(".connection")).to_have_text("disconnected, retrying", timeout=2000)
    address = sandbox.url.removeprefix("http://")
    with Sandbox("--webhook-url", receiver.url, listen=address):
        page.is_live()
        # The new one knows nothing of the old one's messages, and the page does not pretend otherwise.
        expect(page.page.locator(".message")).to_have_count(0)
        page.write("after")
        expect(page.phone().locator(".mine .step.good")).to_be_visible()


def test_a_reset_asks_first_and_then_empties_the_page(page, sandbox):
    page.write("soon forgotten")
    expect(page.phone().locator(".mine .step.good")).to_be_visible()
    page.page.get_by_role("button", name="Reset…").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.page.get_by_role("button", name="Reset…")).to_be_focused()
    expect(page.page.locator(".message")).to_have_count(1)
    page.page.get_by_role("button", name="Reset…").click()
    dialog.get_by_role("button", name="Reset", exact=True).click()
    expect(page.page.locator(".message")).to_have_count(0)
    expect(page.rows()).to_have_count(0)
    assert sandbox.deliveries() == []


def test_the_clock_is_shown_and_moved(page, sandbox):
    before = datetime.fromisoformat(sandbox.control("GET", "/clock")["now"])
    page.show("Clock")
    page.page.get_by_role("button", name="+ 30 days").click()
    page.notice("The clock was moved")
    after = datetime.fromisoformat(page.page.locator(".now time").get_attribute("datetime"))
    assert timedelta(days=30) <= after - before < timedelta(days=30, minutes=1)


def test_faults_are_added_seen_and_removed(page, sandbox, receiver):
    page.show("Faults")
    page.page.locator("select[name=kind]").select_option("webhook_duplicate")
    page.page.get_by_label("Further copies").fill("2")
    page.page.get_by_label("How often").fill("1")
    page.page.get_by_label("Only this number").fill(page.number())
    page.page.get_by_role("button", name="Add", exact=True).click()
    fault = page.page.locator(".faults li")
    expect(fault).to_contain_text(f"copies 2 · for {page.number()} · 1 more time")
    page.write("thrice")
    ids = {receiver.next("message.received").event["data"]["id"] for _ in range(3)}
    assert len(ids) == 1
    expect(fault).to_contain_text("struck once")
    expect(fault).to_contain_text("used up")
    page.page.get_by_role("button", name="Clear all").click()
    expect(fault).to_have_count(0)
    assert sandbox.control("GET", "/faults")["data"] == []


def test_a_fault_that_is_refused_says_why(page):
    page.show("Faults")
    page.page.locator("select[name=kind]").select_option("media_redirect")
    page.page.get_by_label("Where to").fill("http://elsewhere.invalid/")
    page.page.get_by_role("button", name="Add", exact=True).click()
    expect(page.page.locator(".faults li")).to_have_count(1)
    page.page.get_by_role("button", name="Remove fault").click()
    expect(page.page.locator(".faults li")).to_have_count(0)


def test_the_page_works_at_the_width_of_a_phone(open_page, sandbox):
    page = open_page(sandbox, viewport={"width": 390, "height": 844})
    page.is_live()
    page.write("small")
    expect(page.phone().locator(".mine .step.good")).to_be_visible()
    page.show("Deliveries")
    expect(page.phone()).not_to_be_visible()
    page.open_delivery()
    page.page.get_by_role("button", name="Back to the list").click()
    expect(page.rows().first).to_be_focused()
    page.show("Phones")
    expect(page.phone().locator(".mine .bubble")).to_have_text("small")
    overflow = page.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
