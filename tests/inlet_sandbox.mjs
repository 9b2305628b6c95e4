// Starts the real `inlet sandbox` for the tests under Node, speaks its control API, and ends it as an operator would.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BINARY = process.env.INLET_BINARY ?? resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target", "debug/inlet");
export const PHONE = "+15551234567";

// Only what a test says reaches the SDK and the sandbox.
for (const name of Object.keys(process.env)) if (/^(TELNYX|INLET)_/.test(name)) delete process.env[name];

/** Starts a sandbox; `stop()` checks that SIGTERM ends it with exit code 0. */
export async function startSandbox(...args) {
  const folder = mkdtempSync(join(tmpdir(), "inlet-sandbox-"));
  const readyFile = join(folder, "ready.json");
  const child = spawn(BINARY, ["sandbox", "--listen", "127.0.0.1:0", "--ready-file", readyFile, ...args], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (text) => (log += text));
  const until = Date.now() + 20_000;
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null || Date.now() > until) {
      child.kill("SIGKILL");
      throw new Error(`inlet sandbox did not become ready: ${log}`);
    }
    await pause(10);
  }
  const ready = JSON.parse(readFileSync(readyFile, "utf8"));

  async function control(method, path, body) {
    const answer = await fetch(`${ready.sandbox}/sandbox/v1${path}`, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    assert(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  return {
    url: ready.sandbox,
    apiUrl: `${ready.sandbox}/v2`,
    apiKey: ready.api_key,
    publicKey: ready.public_key,
    numbers: ready.numbers,
    number: ready.numbers[0],
    control,
    text: (text, more = {}) =>
      control("POST", "/texts", { from: PHONE, to: ready.numbers[0], text, ...more }),
    messages: async (filters = {}) => (await control("GET", `/messages?${new URLSearchParams(filters)}`)).data,
    waitIdle: () => control("POST", "/wait-idle", { timeout_ms: 20_000 }),
    advance: (seconds) => control("POST", "/clock/advance", { seconds }),
    faults: (...data) => control("PUT", "/faults", { data }),
    reset: () => control("POST", "/reset", {}),
    async stop() {
      const exit = child.exitCode === null ? once(child, "exit") : [child.exitCode];
      child.kill("SIGTERM");
      const [code] = await exit;
      rmSync(folder, { recursive: true });
      assert.equal(code, 0, `inlet sandbox ended with ${code}: ${log}`);
    },
  };
}

/** Listens on a free port and keeps every webhook exactly as it came; `statuses` answer the next ones, then 200. */
export async function startReceiver() {
  const came = [];
  const receiver = { all: [], statuses: [] };
  let wake = () => {};
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      const webhook = { headers: request.headers, body, event: JSON.parse(body) };
      receiver.all.push(webhook);
      came.push(webhook);
      wake();
      response.writeHead(receiver.statuses.shift() ?? 200).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  receiver.url = `http://127.0.0.1:${server.address().port}/webhooks`;
  /** The next webhook, or the next of a type: Telnyx keeps no order, so others wait for whoever asks for them. */
  receiver.next = async (eventType) => {
    for (;;) {
      const index = came.findIndex((webhook) => !eventType || webhook.event.data.event_type === eventType);
      if (index >= 0) return came.splice(index, 1)[0];
      // The test's own bound ends the waiting.
      await new Promise((resolve) => (wake = resolve));
    }
  };
  receiver.clear = () => {
    came.length = receiver.all.length = receiver.statuses.length = 0;
  };
  receiver.stop = async () => {
    server.closeAllConnections?.();
    server.close();
    await once(server, "close");
  };
  return receiver;
}
