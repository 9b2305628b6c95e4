"""The official Python SDK, pointed at a fresh sandbox."""

import pytest
from telnyx import Telnyx


@pytest.fixture
def client(sandbox):
    with Telnyx(api_key=sandbox.api_key, base_url=sandbox.api_url, public_key=sandbox.public_key, max_retries=0) as client:
        yield client


@pytest.fixture
def patient(client):
    """The same client with the SDK's own number of retries."""
    return client.with_options(max_retries=2)


@pytest.fixture
def profile_id(sandbox):
    return sandbox.account()["messaging_profile_id"]
