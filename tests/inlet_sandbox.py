"""Starts the real `inlet sandbox`, speaks its control API, and ends it as an operator would."""

import base64
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PHONE = "+15551234567"


def binary() -> str:
    """The executable under test: `INLET_BINARY`, or what `cargo build` made last."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return os.environ.get("INLET_BINARY", str(ROOT / target / "debug" / "inlet"))


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of Inlet's: whoever runs the tests does not set up the sandbox."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INLET_")}


class Answer:
    """One HTTP answer, whatever its status."""

    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def request(method: str, url: str, body=None, headers=None, timeout: float = 30) -> Answer:
    """Makes one request; `body` is bytes, or anything that JSON can say."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("content-type", "application/json")
    call = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with DIRECT.open(call, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, refused.read())


# No proxy of the machine's environment stands between a test and its own server.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_until(holds, within: float = 20):
    """Waits for a condition that nothing announces."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, f"still waiting after {within} s"
        time.sleep(0.01)


class Sandbox:
    """One running sandbox. Use it as a context manager; leaving it checks that SIGTERM ends it with exit code 0."""

    def __init__(self, *arguments: str, listen: str = "127.0.0.1:0"):
        self._folder = tempfile.TemporaryDirectory(prefix="inlet-sandbox-")
        self.ready_file = Path(self._folder.name) / "ready.json"
        command = [binary(), "sandbox", "--listen", listen, "--ready-file", str(self.ready_file), *arguments]
        self._log = open(Path(self._folder.name) / "log", "w+b")
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=subprocess.STDOUT, cwd=self._folder.name, env=clean_environment()
        )
        try:
            wait_until(lambda: self.ready_file.exists() or self._process.poll() is not None)
            assert self._process.poll() is None, f"inlet sandbox ended at once: {self.log()}"
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        ready = json.loads(self.ready_file.read_text())
        self.url: str = ready["sandbox"]
        self.api_url = f"{self.url}/v2"
        self.api_key: str = ready["api_key"]
        self.public_key: str = ready["public_key"]
        self.numbers: list[str] = ready["numbers"]
        self.number = self.numbers[0]

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        log = self.log()
        self._log.close()
        self._folder.cleanup()
        assert code == 0, f"inlet sandbox ended with {code}: {log}"

    # The control API; a refusal is the test's mistake and raises.

    def control(self, method: str, path: str, body=None, timeout: float = 30):
        answer = request(method, f"{self.url}/sandbox/v1{path}", body, timeout=timeout)
        if answer.status >= 400:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body.decode(errors='replace')}")
        return answer.json() if answer.body else None

    def account(self) -> dict:
        return self.control("GET", "/account")

    def text(self, text: str | None = None, *, sender: str = PHONE, to: str | None = None, media=(), **more) -> dict:
        """Lets a phone text one of the account's numbers; `media` are (bytes, content type) pairs."""
        attached = [{"data": base64.b64encode(data).decode(), "content_type": kind} for data, kind in media]
        body = {"from": sender, "to": to or self.number, "text": text, "media": attached, **more}
        return self.control("POST", "/texts", body)

    def messages(self, wait_ms: int = 0, **filters) -> list[dict]:
        """The messages that were sent through the API, oldest first."""
        query = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in filters.items())
        return self.control("GET", f"/messages?wait_ms={wait_ms}&{query}")["data"]

    def deliveries(self, wait_ms: int = 0, **filters) -> list[dict]:
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return self.control("GET", f"/deliveries?wait_ms={wait_ms}&{query}")["data"]

    def wait_idle(self, timeout_ms: int = 20_000):
        self.control("POST", "/wait-idle", {"timeout_ms": timeout_ms}, timeout=timeout_ms / 1000 + 10)

    def advance(self, seconds: int):
        self.control("POST", "/clock/advance", {"seconds": seconds})

    def faults(self, *faults: dict):
        self.control("PUT", "/faults", {"data": list(faults)})
