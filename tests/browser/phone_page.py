"""The phone page as a person uses it, and pictures and signatures to try it with."""

import base64
import struct
import zlib

from nacl.signing import VerifyKey
from playwright.sync_api import Locator, expect

# The browser itself reports that a sandbox has ended, which tests do on purpose and at their ends. Refusals are another matter.
ENDED = "net::ERR_"


class PhonePage:
    """One page in one browser context. `close` fails over console errors, exceptions and violations of the policy."""

    def __init__(self, browser, sandbox, **context):
        self.sandbox, self.troubles, self.expected = sandbox, [], [ENDED]
        self._context = browser.new_context(**{"viewport": {"width": 1480, "height": 900}, **context})
        self._context.set_default_timeout(10_000)
        self.page = self._context.new_page()
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective, event.blockedURI));"
        )

    def goto(self):
        self.page.goto(self.sandbox.url)

    def close(self):
        self._context.close()
        troubles = [text for text in self.troubles if not any(allowed in text for allowed in self.expected)]
        assert troubles == [], troubles

    def allow_clipboard(self):
        self._context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.sandbox.url)

    def clipboard(self) -> str:
        return self.page.evaluate("navigator.clipboard.readText()")

    def is_live(self):
        expect(self.page.locator(".connection")).to_have_text("live")

    def show(self, view: str):
        self.page.get_by_role("navigation").get_by_role("button", name=view, exact=True).click()

    # Phones

    def phone(self, number: str | None = None) -> Locator:
        return self.page.locator(f'.phone[data-number="{number}"]') if number else self.page.locator(".phone").first

    def number(self) -> str:
        """The number of the first phone, which the page invented."""
        return self.phone().get_attribute("data-number")

    def add_phone(self, number: str) -> Locator:
        self.page.get_by_role("button", name="New phone").click()
        self.page.locator("#new-phone-number").fill(number)
        self.page.keyboard.press("Enter")
        expect(self.phone(number).locator("textarea")).to_be_focused()
        return self.phone(number)

    def write(self, text: str, phone: Locator | None = None):
        field = (phone or self.phone()).locator(".composer textarea")
        field.fill(text)
        field.press("Enter")
        expect(field).to_have_value("")

    # Log

    def rows(self) -> Locator:
        return self.page.locator(".log-row")

    def open_delivery(self, event_type: str = "message.received") -> Locator:
        self.rows().filter(has_text=event_type).first.click()
        detail = self.page.locator(".detail")
        expect(detail.get_by_role("heading", name=event_type)).to_be_focused()
        return detail

    def notice(self, text: str):
        expect(self.page.locator(".notices")).to_contain_text(text)


def verifies(webhook, public_key: str) -> bool:
    """Whether a receiver would take it; raises where not."""
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    signed = f"{headers['telnyx-timestamp']}|".encode() + webhook.body
    VerifyKey(base64.b64decode(public_key)).verify(signed, base64.b64decode(headers["telnyx-signature-ed25519"]))
    return True


def png(width: int = 40, height: int = 30) -> bytes:
    """A picture of one colour."""
    rows = b"".join(b"\0" + bytes((200, 120, 60)) * width for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
