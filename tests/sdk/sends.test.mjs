// The other ways to send with the Node SDK: scheduled, to groups, from pools and short codes.
import { expect, test } from "vitest";
import Telnyx from "telnyx";
import { PHONE } from "../inlet_sandbox.mjs";
import { thrownBy, world } from "./client.mjs";

const here = world();
const SECOND_PHONE = "+15551234568";

/** A time as the sandbox counts it. */
async function inMinutes(minutes) {
  const { now } = await here.sandbox.control("GET", "/clock");
  return new Date(Date.parse(now) + minutes * 60_000).toISOString();
}

const hello = (more) => ({ from: here.sandbox.number, to: PHONE, text: "Hello", ...more });

test("a scheduled message waits for its time", async () => {
  const { data: sent } = await here.client.messages.schedule(hello({ send_at: await inMinutes(60) }));
  expect(sent.to[0].status).toBe("scheduled");
  expect(here.receiver.all).toEqual([]);
  await here.sandbox.advance(3660);
  const { event } = await here.receiver.next("message.finalized");
  expect(event.data.payload.id).toBe(sent.id);
});

test("a scheduled message can be cancelled while there is time", async () => {
  const { data: sent } = await here.client.messages.schedule(hello({ send_at: await inMinutes(60) }));
  const cancelled = await here.client.messages.cancelScheduled(sent.id);
  expect(cancelled).toMatchObject({ id: sent.id, to: [{ status: "cancelled" }] });
  const { data: found } = await here.client.messages.retrieve(sent.id);
  expect(found.to[0].status).toBe("cancelled");
});

test("a time that is too soon is refused", async () => {
  const send_at = await inMinutes(1);
  const thrown = await thrownBy(() => here.client.messages.schedule(hello({ send_at })));
  expect(thrown).toBeInstanceOf(Telnyx.BadRequestError);
});

test("a group gets one message", async () => {
  const { data: sent } = await here.client.messages.sendGroupMms(hello({ to: [PHONE, SECOND_PHONE] }));
  expect(sent.to.map((party) => party.phone_number).sort()).toEqual([PHONE, SECOND_PHONE]);
  const { data: members } = await here.client.messages.retrieveGroupMessages(sent.id);
  expect(members.length).toBeGreaterThan(0);
});

test("a long code is sent from", async () => {
  const { data: sent } = await here.client.messages.sendLongCode(hello());
  expect(sent.from.phone_number).toBe(here.sandbox.number);
});

test("a number pool chooses one of its numbers", async () => {
  const number_pool_settings = { toll_free_weight: 1, long_code_weight: 1, skip_unhealthy: false };
  await here.client.messagingProfiles.update(here.profileId, { number_pool_settings });
  const body = { messaging_profile_id: here.profileId, to: PHONE, text: "Hello" };
  const { data: sent } = await here.client.messages.sendNumberPool(body);
  expect(here.sandbox.numbers).toContain(sent.from.phone_number);
});

test("a short code is sent from", async () => {
  const { data: codes } = await here.client.shortCodes.list();
  const { data: sent } = await here.client.messages.sendShortCode(hello({ from: codes[0].short_code }));
  expect(sent.from.phone_number).toBe(codes[0].short_code);
});
