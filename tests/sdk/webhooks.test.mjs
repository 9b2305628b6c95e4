// `webhooks.unwrap` of the Node SDK accepts what the sandbox sent, and nothing else.
import { expect, test } from "vitest";
import Telnyx from "telnyx";
import { PHONE, startSandbox } from "../inlet_sandbox.mjs";
import { thrownBy, world } from "./client.mjs";

const here = world();

const unwrap = (webhook, more = {}) =>
  here.client.webhooks.unwrap(webhook.body, { headers: webhook.headers, ...more });

async function refusal(webhook, more) {
  const thrown = await thrownBy(() => unwrap(webhook, more));
  expect(thrown).toBeInstanceOf(Telnyx.TelnyxError);
  return thrown.message;
}

test("a text is verified", async () => {
  await here.sandbox.text("Hello 👋");
  const event = await unwrap(await here.receiver.next());
  expect(event.data.event_type).toBe("message.received");
  expect(event.data.payload).toMatchObject({ text: "Hello 👋", from: { phone_number: PHONE } });
});

test("receipts are verified", async () => {
  const { data: sent } = await here.client.messages.send({ from: here.sandbox.number, to: PHONE, text: "Hi" });
  for (const type of ["message.sent", "message.finalized"]) {
    const event = await unwrap(await here.receiver.next(type));
    expect(event.data.payload.id).toBe(sent.id);
  }
});

test("a changed body is refused", async () => {
  await here.sandbox.text("Pay 10");
  const webhook = await here.receiver.next();
  const changed = { ...webhook, body: webhook.body.replace("Pay 10", "Pay 99") };
  expect(await refusal(changed)).toContain("does not match");
  const reserialised = { ...webhook, body: JSON.stringify(JSON.parse(webhook.body)) };
  expect(await refusal(reserialised)).toContain("does not match");
});

test("another key is refused", async () => {
  await here.sandbox.text("Hello");
  const webhook = await here.receiver.next();
  const stranger = await startSandbox();
  try {
    expect(await refusal(webhook, { key: stranger.publicKey })).toContain("does not match");
  } finally {
    await stranger.stop();
  }
});

test("a missing header is refused", async () => {
  await here.sandbox.text("Hello");
  const webhook = await here.receiver.next();
  for (const name of ["telnyx-timestamp", "telnyx-signature-ed25519"]) {
    const { [name]: _, ...headers } = webhook.headers;
    expect(await refusal({ ...webhook, headers })).toContain("Missing required header");
  }
});

test.each([
  ["wrong_signature", "does not match"],
  ["stale_timestamp", "too old"],
  ["altered_body", "does not match"],
])("what the fault %s spoils is refused", async (kind, reason) => {
  await here.sandbox.faults({ kind, count: 1 });
  await here.sandbox.text("Hello");
  expect(await refusal(await here.receiver.next())).toContain(reason);
});
