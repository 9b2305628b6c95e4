"""The guide's recipe in Python: FastAPI, PyNaCl over the raw body, a marker in Redis, then the answer."""

import json
import os
import time
from base64 import b64decode

from fastapi import FastAPI, Request, Response
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from redis.asyncio import BlockingConnectionPool, Redis

DAY_S = 24 * 60 * 60
TOLERANCE_S = 300

key = VerifyKey(b64decode(os.environ["TELNYX_PUBLIC_KEY"]))
# As wide as there are connections to us, so that no request waits for a place.
redis = Redis(connection_pool=BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=256))
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


def is_genuine(request: Request, body: bytes) -> bool:
    try:
        timestamp = request.headers["telnyx-timestamp"]
        signature = b64decode(request.headers["telnyx-signature-ed25519"], validate=True)
        if abs(time.time() - int(timestamp)) > TOLERANCE_S:
            return False
        key.verify(timestamp.encode() + b"|" + body, signature)
    except (BadSignatureError, KeyError, ValueError):
        return False
    return True


@app.post("/webhooks")
async def receive(request: Request) -> Response:
    body = await request.body()
    if not is_genuine(request, body):
        return Response(status_code=400)
    marker = f"msg:{json.loads(body)['data']['payload']['id']}"
    if await redis.get(marker) is None:
        await redis.set(marker, "1", ex=DAY_S)
    return Response(status_code=200)
