"""An HTTP endpoint that keeps every webhook exactly as it came, and answers as told."""

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhook:
    """One request as it came over the wire."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes):
        self.path, self.headers, self.body = path, headers, body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def event(self) -> dict:
        return json.loads(self.body)

    @property
    def event_type(self) -> str:
        return self.event["data"]["event_type"]


class WebhookReceiver:
    """Listens on a free port of loopback; `statuses` are the answers to the next requests, then 200."""

    def __init__(self, *statuses: int):
        self.statuses, self._came = list(statuses), queue.Queue()
        self.all: list[Webhook] = []
        self._passed_over: list[Webhook] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                receiver._take(Webhook(self.path, dict(self.headers.items()), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _take(self, webhook: Webhook):
        self.all.append(webhook)
        self._came.put(webhook)

    def next(self, event_type: str | None = None, within: float = 10) -> Webhook:
        """The next webhook, or the next of a type: Telnyx keeps no order, so others wait for whoever asks for them."""
        for index, webhook in enumerate(self._passed_over):
            if event_type in (None, webhook.event_type):
                return self._passed_over.pop(index)
        while True:
            webhook = self._came.get(timeout=within)
            if event_type in (None, webhook.event_type):
                return webhook
            self._passed_over.append(webhook)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
