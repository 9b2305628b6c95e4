// The sandbox's clock: shown while it is looked at, and moved on.

import * as api from './api.js';
import { html, useEffect, useState } from './dom.js';
import { store } from './store.js';
import { dayAndTime } from './time.js';

const STEPS = [['1 minute', 60], ['5 minutes', 300], ['1 hour', 3600], ['1 day', 86_400], ['30 days', 30 * 86_400]];
const LOOK_EVERY_MS = 1000;

export function Clock() {
  const [now, setNow] = useState(null);
  const [seconds, setSeconds] = useState('');

  useEffect(() => {
    let stopped = false;
    let timer;
    const look = async () => {
      const answer = await api.clock().catch(() => null);
      if (stopped) return;
      if (answer) setNow(answer.now);
      timer = setTimeout(look, LOOK_EVERY_MS);
    };
    look();
    return () => { stopped = true; clearTimeout(timer); };
  }, []);

  async function advance(by) {
    try {
      setNow((await api.advanceClock(by)).now);
      store.say('The clock was moved; retries that fell due go out now.');
    } catch (error) {
      store.complain(error);
    }
  }

  function submit(event) {
    event.preventDefault();
    advance(Number(seconds));
  }

  return html`
    <section class="panel" aria-labelledby="clock-title">
      <h2 id="clock-title">Clock</h2>
      <p class="now"><time datetime=${now}>${dayAndTime(now) || '…'}</time></p>
      <p>Retries, receipts and the life of pictures go by this clock, so they need not be waited for. It only moves forward; a reset takes all moves back.</p>
      <div class="buttons start" role="group" aria-label="Move the clock on">
        ${STEPS.map(([label, by]) => html`<button type="button" key=${by} onClick=${() => advance(by)}>+ ${label}</button>`)}
      </div>
      <form class="inline-form" onSubmit=${submit}>
        <label class="field">Seconds
          <input name="seconds" type="number" min="1" step="1" required value=${seconds} onInput=${(event) => setSeconds(event.target.value)} /></label>
        <button>Move on</button>
      </form>
    </section>`;
}
