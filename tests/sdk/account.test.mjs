// The Node SDK manages what an account has: profiles, numbers, opt-outs, autoresponders, media, records.
import { expect, test } from "vitest";
import Telnyx from "telnyx";
import { PHONE } from "../inlet_sandbox.mjs";
import { thrownBy, world } from "./client.mjs";

const here = world();

const newProfile = async (name = "Second") =>
  (await here.client.messagingProfiles.create({ name, whitelisted_destinations: ["US"] })).data;

async function all(list) {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

test("a profile is created, changed and deleted", async () => {
  const { id } = await newProfile();
  const { data: changed } = await here.client.messagingProfiles.update(id, { name: "Renamed" });
  expect(changed.name).toBe("Renamed");
  expect((await here.client.messagingProfiles.delete(id)).data.id).toBe(id);
  expect(await thrownBy(() => here.client.messagingProfiles.retrieve(id))).toBeInstanceOf(Telnyx.NotFoundError);
});

test("profiles are listed over all pages", async () => {
  for (let number = 0; number < 7; number++) await newProfile(`Branch ${number}`);
  const names = (await all(here.client.messagingProfiles.list({ "page[size]": 3 }))).map((profile) => profile.name);
  expect(new Set(names).size).toBe(8);
});

test("a number moves to another profile", async () => {
  const { id: profile } = await newProfile();
  const [number] = await all(here.client.phoneNumbers.messaging.list());
  expect(number).toMatchObject({ phone_number: here.sandbox.number, messaging_profile_id: here.profileId });
  await here.client.phoneNumbers.messaging.update(number.id, { messaging_profile_id: profile });
  const { data: moved } = await here.client.phoneNumbers.messaging.retrieve(number.id);
  expect(moved.messaging_profile_id).toBe(profile);
  const [listed] = await all(here.client.messagingProfiles.listPhoneNumbers(profile));
  expect(listed.phone_number).toBe(here.sandbox.number);
});

test("an autoresponder answers its keyword", async () => {
  const body = { country_code: "US", keywords: ["HOURS"], op: "info", resp_text: "We are open from nine to five." };
  const { data: made } = await here.client.messagingProfiles.autorespConfigs.create(here.profileId, body);
  await here.sandbox.text("hours");
  await here.sandbox.waitIdle();
  expect((await here.sandbox.messages()).map((message) => message.text)).toEqual([body.resp_text]);
  await here.client.messagingProfiles.autorespConfigs.delete(made.id, { profile_id: here.profileId });
});

test("a delivery is listed with every attempt, the latest first", async () => {
  here.receiver.statuses.push(500);
  await here.sandbox.text("Hello");
  await here.sandbox.waitIdle();
  const [delivery] = await all(here.client.webhookDeliveries.list());
  expect(delivery.status).toBe("delivered");
  expect(delivery.attempts.map((attempt) => attempt.http.response.status)).toEqual([200, 500]);
  expect((await here.client.webhookDeliveries.retrieve(delivery.id)).data.id).toBe(delivery.id);
});

test("media are uploaded from a URL and downloaded", async () => {
  const data = Buffer.from("not really a jpeg").toString("base64");
  await here.sandbox.text("Look", { media: [{ data, content_type: "image/jpeg" }] });
  const { event } = await here.receiver.next();
  await here.client.media.upload({ media_url: event.data.payload.media[0].url, media_name: "copy.jpg" });
  const downloaded = await here.client.media.download("copy.jpg");
  expect(await downloaded.text()).toBe("not really a jpeg");
  await here.client.media.delete("copy.jpg");
  expect(await thrownBy(() => here.client.media.retrieve("copy.jpg"))).toBeInstanceOf(Telnyx.NotFoundError);
});

test("an opt-out is listed until it is taken back", async () => {
  await here.sandbox.text("STOP");
  await here.sandbox.waitIdle();
  const [optOut] = await all(here.client.messagingOptouts.list());
  expect([optOut.from, optOut.to]).toContain(PHONE);
  await here.sandbox.text("START");
  await here.sandbox.waitIdle();
  expect(await all(here.client.messagingOptouts.list())).toEqual([]);
});

test("messages appear in the detail records", async () => {
  const { data: sent } = await here.client.messages.send({ from: here.sandbox.number, to: PHONE, text: "Hello" });
  await here.sandbox.waitIdle();
  const [record] = await all(here.client.detailRecords.list({ filter: { record_type: "messaging" } }));
  expect(record).toMatchObject({ uuid: sent.id, direction: "outbound", status: "delivered" });
});
