"""Fixtures of all outside tests: a sandbox, and a receiver of what it sends."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from inlet_sandbox import Sandbox, binary  # noqa: E402
from webhook_receiver import WebhookReceiver  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def environment():
    """Only what a test says reaches the SDKs: no key, address or proxy of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TELNYX_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    assert Path(binary()).exists(), f"`{binary()}` is missing; run scripts/test-outside, or set INLET_BINARY"


@pytest.fixture
def receiver():
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def sandbox(receiver):
    """A fresh sandbox whose webhooks go to `receiver`."""
    with Sandbox("--webhook-url", receiver.url) as sandbox:
        yield sandbox
