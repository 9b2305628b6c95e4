// The official Node SDK, pointed at a sandbox of the test file's own.
import { afterAll, beforeAll, beforeEach } from "vitest";
import Telnyx from "telnyx";
import { startReceiver, startSandbox } from "../inlet_sandbox.mjs";

/** Starts one sandbox and one receiver for a file and resets them before each test. */
export function world() {
  const world = {};
  beforeAll(async () => {
    world.receiver = await startReceiver();
    world.sandbox = await startSandbox("--webhook-url", world.receiver.url);
    const { apiKey, apiUrl: baseURL, publicKey } = world.sandbox;
    world.client = new Telnyx({ apiKey, baseURL, publicKey, maxRetries: 0 });
    world.patient = world.client.withOptions({ maxRetries: 2 });
    world.profileId = (await world.sandbox.control("GET", "/account")).messaging_profile_id;
  });
  beforeEach(async () => {
    // What the test before has set going would arrive in this one. A test that leaves retries waiting does not: the
    // reset takes those back.
    await world.sandbox.control("POST", "/wait-idle", { timeout_ms: 5000, due_only: true });
    await world.sandbox.reset();
    world.receiver.clear();
  });
  afterAll(async () => {
    await world.sandbox?.stop();
    await world.receiver?.stop();
  });
  return world;
}

/** The exception that a call ends with. */
export async function thrownBy(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("the call was not refused");
}
