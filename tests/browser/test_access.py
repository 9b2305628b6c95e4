"""The page without a mouse, and for a screen reader: keys, focus, and axe's rules in light and dark."""

from pathlib import Path

import pytest
from inlet_sandbox import ROOT
from playwright.sync_api import expect

AXE = ROOT / "tests" / "node_modules" / "axe-core" / "axe.min.js"


def test_everything_important_works_by_keyboard_alone(page, sandbox, receiver):
    keys = page.page.keyboard
    keys.press("n")
    expect(page.page.locator("#new-phone-number")).to_be_focused()
    keys.press("Enter")
    expect(page.page.locator(".phone")).to_have_count(2)
    expect(page.page.locator(".phone").last.locator("textarea")).to_be_focused()
    keys.type("no mouse? j/k")
    keys.press("Enter")
    expect(page.page.locator(".phone").last.locator(".mine .bubble")).to_have_text("no mouse? j/k")
    receiver.next("message.received")
    sandbox.text("second")
    expect(page.rows()).to_have_count(2)
    keys.press("Escape")
    keys.press("j")
    expect(page.rows().first).to_be_focused()
    keys.press("j")
    expect(page.rows().last).to_be_focused()
    keys.press("Enter")
    expect(page.page.get_by_role("heading", name="message.received")).to_be_focused()
    keys.press("k")
    expect(page.rows().first).to_be_focused()
    keys.press("Escape")
    expect(page.page.locator(".detail")).to_have_count(0)
    keys.press("/")
    expect(page.page.get_by_label("Filter by words")).to_be_focused()
    keys.press("Escape")
    expect(page.rows().first).to_be_focused()
    keys.press("?")
    expect(page.page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    keys.press("Escape")
    expect(page.rows().first).to_be_focused()


def test_the_focus_is_not_taken_from_where_it_went_before_the_page_was_drawn(page, sandbox):
    keys = page.page.keyboard
    sandbox.text("first")
    sandbox.text("second")
    expect(page.rows()).to_have_count(2)
    page.rows().last.click()
    expect(page.page.get_by_role("heading", name="message.received")).to_be_focused()
    keys.press("k")
    # Without a look at the page in between: it is drawn when all three have been pressed.
    page.page.evaluate("""() => {
        for (const key of ['Escape', '/', 'Escape']) {
            document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
        }
    }""")
    expect(page.page.locator(".detail")).to_have_count(0)
    page.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(page.rows().first).to_be_focused()


def test_new_messages_are_read_out(page, sandbox):
    log = page.phone().get_by_role("log")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(page.page.get_by_role("main")).to_have_count(1)
    expect(page.page.get_by_role("navigation")).to_have_count(1)
    expect(page.page.get_by_role("banner")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1480, 390])
def test_axe_finds_nothing_serious(open_page, sandbox, receiver, scheme, width):
    page = open_page(sandbox, color_scheme=scheme, reduced_motion="reduce", viewport={"width": width, "height": 900}, bypass_csp=True)
    page.is_live()
    page.page.add_script_tag(content=Path(AXE).read_text())
    found = {}

    def check(view):
        answer = page.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        serious = [rule for rule in answer["violations"] if rule["impact"] in ("serious", "critical")]
        if serious:
            found[view] = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in serious]

    check("empty")
    receiver.statuses = [503]
    page.write("hello")
    sandbox.advance(5)
    expect(page.phone().locator(".mine .step.good")).to_be_visible()
    page.phone().get_by_role("button", name="New group").click()
    check("phones")
    page.show("Deliveries")
    check("log")
    page.open_delivery()
    expect(page.page.get_by_label("Request body", exact=True).first).to_be_attached()
    check("delivery")
    page.page.get_by_role("button", name="Edit and send").click()
    page.page.locator("textarea[name=body]").fill("{")
    check("edit")
    page.page.keyboard.press("Escape")
    for view in ("Faults", "Clock", "Connect"):
        page.show(view)
        check(view)
    assert found == {}


def test_the_theme_follows_the_system_until_it_is_chosen(open_page, sandbox):
    page = open_page(sandbox, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.page.evaluate(ground)
    page.page.get_by_role("button", name="Theme: auto").click()
    expect(page.page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.page.evaluate(ground) != dark
    page.page.reload()
    expect(page.page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.page.evaluate(ground) != dark
