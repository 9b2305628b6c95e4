// The Node SDK reads and changes messaging profiles.
import { expect, test } from "vitest";
import Telnyx from "telnyx";
import { thrownBy, world } from "./client.mjs";

const here = world();

test("the default profile is listed and retrieved", async () => {
  const listed = [];
  for await (const profile of here.client.messagingProfiles.list()) listed.push(profile.id);
  expect(listed).toEqual([here.profileId]);
  const { data } = await here.client.messagingProfiles.retrieve(here.profileId);
  expect(data).toMatchObject({ webhook_url: here.receiver.url, webhook_api_version: "2", enabled: true });
});

test("a changed webhook URL is used for the next text", async () => {
  const url = `${here.receiver.url}?new=1`;
  const { data } = await here.client.messagingProfiles.update(here.profileId, { webhook_url: url, name: "Renamed" });
  expect(data).toMatchObject({ webhook_url: url, name: "Renamed" });
  await here.sandbox.text("Hello");
  expect((await here.receiver.next()).event.meta.delivered_to).toBe(url);
});

test("a change that cannot be throws BadRequestError", async () => {
  const thrown = await thrownBy(() =>
    here.client.messagingProfiles.update(here.profileId, { webhook_url: "no address" }),
  );
  expect(thrown).toBeInstanceOf(Telnyx.BadRequestError);
  expect(thrown.error.errors[0].code).toBe("10003");
});
