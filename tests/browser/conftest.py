"""Fixtures of the browser tests: Debian's Chromium, and a page that fails its test over any error in its console."""

import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from phone_page import PhonePage  # noqa: E402

expect.set_options(timeout=10_000)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # Playwright's own browser is not downloaded; the sandbox of Chromium itself does not work as root.
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens the phone page of a sandbox in a browser of its own."""
    opened = []

    def open_page(sandbox, **context):
        page = PhonePage(browser, sandbox, **context)
        opened.append(page)
        page.goto()
        return page

    yield open_page
    for page in opened:
        page.close()


@pytest.fixture
def page(sandbox, open_page):
    page = open_page(sandbox)
    page.is_live()
    return page
