// Refusals reach Node as the SDK's own exceptions, with Telnyx's codes in them.
import { expect, test } from "vitest";
import Telnyx from "telnyx";
import { PHONE } from "../inlet_sandbox.mjs";
import { thrownBy, world } from "./client.mjs";

const here = world();
const UNKNOWN = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

const send = (more = {}, client = here.client) =>
  client.messages.send({ from: here.sandbox.number, to: PHONE, text: "Hello", ...more });

/** The one error of a refusal, in the documented envelope. */
const errorOf = (exception) => {
  expect(exception.error.errors).toHaveLength(1);
  return exception.error.errors[0];
};

test("a wrong key throws AuthenticationError", async () => {
  const client = here.client.withOptions({ apiKey: "KEYwrong" });
  const thrown = await thrownBy(() => client.messages.retrieve(UNKNOWN));
  expect(thrown).toBeInstanceOf(Telnyx.AuthenticationError);
  expect(errorOf(thrown).code).toBe("10009");
});

test("what does not exist throws NotFoundError", async () => {
  for (const call of [
    () => here.client.messages.retrieve(UNKNOWN),
    () => here.client.messagingProfiles.retrieve(UNKNOWN),
  ]) {
    const thrown = await thrownBy(call);
    expect(thrown).toBeInstanceOf(Telnyx.NotFoundError);
    expect(errorOf(thrown).code).toBe("10005");
  }
});

test.each([
  ["from", { from: "+15550009999" }, "40305", "/from"],
  ["to", { to: "nobody" }, "40310", "/to"],
  ["text", { text: "ж".repeat(700) }, "40302", "/text"],
  ["content", { text: undefined }, "40316", "/text"],
])("a send with a wrong %s throws BadRequestError", async (_, change, code, pointer) => {
  const thrown = await thrownBy(() => send(change));
  expect(thrown).toBeInstanceOf(Telnyx.BadRequestError);
  expect(errorOf(thrown)).toMatchObject({ code, source: { pointer } });
  expect(await here.sandbox.messages()).toEqual([]);
});

test("a send after STOP throws with 40300", async () => {
  await here.sandbox.text("STOP");
  await here.sandbox.waitIdle();
  const thrown = await thrownBy(send);
  expect(thrown).toBeInstanceOf(Telnyx.BadRequestError);
  expect(errorOf(thrown).code).toBe("40300");
});

test.each([
  [403, "PermissionDeniedError"],
  [409, "ConflictError"],
  [422, "UnprocessableEntityError"],
  [429, "RateLimitError"],
  [500, "InternalServerError"],
])("a lasting %i throws %s", async (status, name) => {
  await here.sandbox.faults({ kind: "api_status", status });
  const thrown = await thrownBy(send);
  expect(thrown).toBeInstanceOf(Telnyx[name]);
  expect(errorOf(thrown).code).toMatch(/^\d{5}$/);
});

test("RateLimitError comes only after the retries", async () => {
  await here.sandbox.faults({ kind: "api_status", status: 429, retry_after_seconds: 1 });
  const thrown = await thrownBy(() => send({}, here.patient));
  expect(thrown).toBeInstanceOf(Telnyx.RateLimitError);
  expect((await here.sandbox.control("GET", "/faults")).data[0].hits).toBe(3);
});

test("what is not emulated says so", async () => {
  const thrown = await thrownBy(() => here.client.messages.whatsapp({ from: PHONE, to: PHONE, whatsapp_message: {} }));
  expect(thrown.status).toBe(501);
  expect(errorOf(thrown).detail).toContain("POST /v2/messages/whatsapp");
});
