// Telnyx's Node SDK sends, retrieves and repeats messages.
import { afterEach, expect, test } from "vitest";
import Telnyx from "telnyx";
import { PHONE } from "../inlet_sandbox.mjs";
import { world } from "./client.mjs";

const here = world();

const send = (client, more = {}) =>
  client.messages.send({ from: here.sandbox.number, to: PHONE, text: "Hello", ...more });

test("a sent message is queued and can be retrieved", async () => {
  const { data: sent } = await send(here.client, { text: "Grüße 👋" });
  expect(sent).toMatchObject({ direction: "outbound", type: "SMS", text: "Grüße 👋", encoding: "UCS-2", parts: 1 });
  expect(sent.to[0]).toMatchObject({ phone_number: PHONE, status: "queued" });
  expect(sent.messaging_profile_id).toBe(here.profileId);

  await here.sandbox.waitIdle();
  const { data: found } = await here.client.messages.retrieve(sent.id);
  expect(found).toMatchObject({ id: sent.id, text: sent.text });
  expect(found.to[0].status).toBe("delivered");
});

test("the environment alone points the SDK at the sandbox", async () => {
  process.env.TELNYX_API_KEY = here.sandbox.apiKey;
  process.env.TELNYX_BASE_URL = here.sandbox.apiUrl;
  expect((await send(new Telnyx())).data.id).toBeTruthy();
});

afterEach(() => {
  delete process.env.TELNYX_API_KEY;
  delete process.env.TELNYX_BASE_URL;
});

test("a picture makes a message an MMS", async () => {
  const { data: sent } = await send(here.client, { media_urls: ["https://example.com/cat.jpg"] });
  expect(sent.type).toBe("MMS");
  expect(sent.media.map((item) => item.url)).toEqual(["https://example.com/cat.jpg"]);
});

test("a key makes one message of two requests", async () => {
  const headers = { "Idempotency-Key": "order-1234567890" };
  const body = { from: here.sandbox.number, to: PHONE, text: "Hello" };
  const first = await here.client.messages.send(body, { headers });
  const again = await here.client.messages.send(body, { headers });
  expect(again.data.id).toBe(first.data.id);
  expect(await here.sandbox.messages()).toHaveLength(1);
});

test("the URL of a message goes before that of its profile", async () => {
  await send(here.client, { webhook_url: `${here.receiver.url}?own=1` });
  const { event } = await here.receiver.next("message.sent");
  expect(event.meta.delivered_to).toBe(`${here.receiver.url}?own=1`);
});

test.each([
  { kind: "api_status", status: 429, retry_after_seconds: 1, count: 2 },
  { kind: "api_status", status: 500, count: 2 },
])("the SDK recovers from a passing $status with one message", async (fault) => {
  await here.sandbox.faults(fault);
  const { data: sent } = await send(here.patient);
  expect((await here.sandbox.messages()).map((message) => message.id)).toEqual([sent.id]);
  expect((await here.sandbox.control("GET", "/faults")).data[0].hits).toBe(2);
});
