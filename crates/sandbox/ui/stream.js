// Follows the sandbox's server-sent events, with a key if need be, and comes back after every loss.

import { keyHeaders, url } from './api.js';

// Short at first, so that a restart is hardly noticed; never long, because the sandbox is next door.
const PAUSES_MS = [250, 500, 1000, 2000];
// The sandbox sends a comment every 15 seconds; silence beyond two of them is a dead connection.
const SILENCE_MS = 40_000;

/**
 * Runs until `stop` is called on what it returns. `on.open()`, `on.event({type, data, id})`, `on.lost()`,
 * and `on.refused(status)` when the sandbox wants another key, after which it does not try again.
 */
export function follow(on) {
  let stopped = false;
  let lastId = '';
  let connection = null;
  let wake = () => {};

  async function run() {
    for (let failures = 0; !stopped; failures += 1) {
      const heard = await once(() => { failures = 0; });
      if (stopped || heard === 'refused') return;
      on.lost();
      const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
      await new Promise((resolve) => { wake = resolve; setTimeout(resolve, pause); });
    }
  }

  async function once(opened) {
    connection = new AbortController();
    let watchdog;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => connection.abort(), SILENCE_MS);
    };
    alive();
    try {
      const headers = { ...keyHeaders(), accept: 'text/event-stream' };
      if (lastId) headers['last-event-id'] = lastId;
      const response = await fetch(url('/stream'), { headers, signal: connection.signal, cache: 'no-store' });
      if (response.status === 401) {
        if (!stopped) on.refused(response.status);
        return 'refused';
      }
      if (!response.ok) return 'failed';
      opened();
      on.open();
      const read = reader((event) => {
        if (event.id !== null) lastId = event.id;
        if (!stopped && event.data !== '') on.event(event);
      });
      const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let next = await chunks.read(); !next.done; next = await chunks.read()) {
        alive();
        read(next.value);
      }
    } catch {
      // Cut, refused or silent: all the same to the one who waits.
    } finally {
      clearTimeout(watchdog);
    }
    return 'lost';
  }

  run();
  // A machine that went online again need not wait for the pause to end.
  const online = () => wake();
  window.addEventListener('online', online);
  return function stop() {
    stopped = true;
    window.removeEventListener('online', online);
    connection?.abort();
    wake();
  };
}

/** Takes text in pieces and calls back with each event (WHATWG HTML, "Interpreting an event stream"). */
export function reader(dispatch) {
  let rest = '';
  let event = fresh();

  function fresh() {
    return { type: 'message', data: '', id: null };
  }

  function line(text) {
    if (text === '') {
      dispatch(event);
      event = fresh();
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event.type = value;
    else if (field === 'data') event.data += event.data === '' ? value : `\n${value}`;
    else if (field === 'id') event.id = value;
  }

  return function read(text) {
    rest += text;
    // A lone CR at the end may be half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}
