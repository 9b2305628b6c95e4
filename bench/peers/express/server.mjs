// The recipe of Telnyx's guide, written as well as it goes: the SDK verifies the raw body, Redis keeps a marker for a
// day, and the answer comes after the marker is set.
import express from 'express';
import { createClient } from 'redis';
import Telnyx from 'telnyx';

const DAY_S = 24 * 60 * 60;

const { PORT, REDIS_URL, TELNYX_PUBLIC_KEY } = process.env;
const telnyx = new Telnyx({ apiKey: 'unused', publicKey: TELNYX_PUBLIC_KEY });
const redis = createClient({ url: REDIS_URL });
redis.on('error', (error) => console.error('redis:', error.message));
await redis.connect();

const app = express();
app.post('/webhooks', express.raw({ type: 'application/json', limit: '1mb' }), async (request, response) => {
  let event;
  try {
    event = await telnyx.webhooks.unwrap(request.body.toString(), { headers: request.headers });
  } catch {
    response.sendStatus(400);
    return;
  }
  const marker = `msg:${event.data.payload.id}`;
  if ((await redis.get(marker)) === null) {
    await redis.set(marker, '1', { EX: DAY_S });
  }
  response.sendStatus(200);
});
app.listen(Number(PORT), '127.0.0.1');
