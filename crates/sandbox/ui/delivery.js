// One delivery in full: each attempt's request, answer and timing, and what can be done with it again.

import * as api from './api.js';
import { copyText } from './clipboard.js';
import { curlCommand } from './curl.js';
import { inWords, outcome, pill, stateOf } from './deliveries.js';
import { html, useEffect, useState } from './dom.js';
import { EditDialog } from './edit.js';
import { Icon } from './icons.js';
import { closeDelivery, openDelivery } from './inspector.js';
import { pretty } from './json.js';
import { store } from './store.js';
import { dayAndTime, took } from './time.js';

export function Delivery({ delivery }) {
  const [full, setFull] = useState(null);
  const [editing, setEditing] = useState(false);
  const [fallback, setFallback] = useState(null);
  useEffect(() => {
    let stale = false;
    api.delivery(delivery)
      .then((answer) => { if (!stale) setFull(answer); })
      .catch((error) => { if (!stale) store.complain(error); });
    return () => { stale = true; };
  }, [delivery]);
  // What the stream knows is newer than what was fetched; the fetched part adds the requests.
  const fetched = full?.sequence === delivery.sequence ? full.attempts : [];
  const requests = new Map(fetched.map((attempt, index) => [index, attempt]));
  const attempts = delivery.attempts.map((attempt, index) => ({ ...attempt, ...requests.get(index) }));
  const body = attempts.findLast((attempt) => attempt.request_body !== undefined)?.request_body ?? written(delivery);

  async function again() {
    try {
      const { sequence } = await api.resend(delivery);
      store.say('The event goes out again, signed afresh.');
      if (store.deliveries.has(sequence)) openDelivery(sequence);
    } catch (error) {
      store.complain(error);
    }
  }

  async function copyCurl() {
    const command = curlCommand(delivery, store.account, api.currentKey());
    if (await copyText(command)) {
      setFallback(null);
      store.say('Copied. The command fetches a fresh signature whenever it is run, so it verifies.');
    } else {
      setFallback(command);
    }
  }

  return html`
    <section class="detail" aria-labelledby="delivery-title">
      <div class="detail-head">
        <button type="button" class="icon-button" aria-label="Back to the list" title="Back (Esc)" onClick=${closeDelivery}><${Icon} name="back" /></button>
        <h2 id="delivery-title" tabindex="-1">${delivery.event_type}</h2>
        <span class=${`pill ${stateOf(delivery)}`}>${pill(delivery)}</span>
      </div>
      <div class="actions">
        <button type="button" onClick=${again}>Send again</button>
        <button type="button" onClick=${() => setEditing(true)}>Edit and send</button>
        <button type="button" onClick=${copyCurl}>Copy as curl</button>
      </div>
      ${fallback && html`
        <label class="field">The browser does not let this page copy; take it from here:
          <textarea readonly rows="8" class="code" onFocus=${(event) => event.target.select()}>${fallback}</textarea></label>`}
      <dl class="facts">
        <dt>Event</dt><dd>${delivery.event_id}</dd>
        ${delivery.message_id && html`<dt>Message</dt><dd>${delivery.message_id}</dd>`}
        <dt>URL</dt><dd>${delivery.url ?? 'none: neither the request nor the profile names one'}</dd>
        ${delivery.failover_url && html`<dt>Failover</dt><dd>${delivery.failover_url}</dd>`}
        <dt>Began</dt><dd>${dayAndTime(delivery.started_at)}</dd>
        <dt>State</dt><dd>${inWords(delivery)}</dd>
      </dl>
      ${attempts.length === 0 && html`
        <h3>Event</h3><${Code} label="Event as it was made" text=${written(delivery)} />`}
      ${attempts.map((attempt, index) => html`
        <${Attempt} key=${index} attempt=${attempt} isLast=${index === attempts.length - 1} />`)}
      ${editing && html`<${EditDialog} delivery=${delivery} body=${body} onClose=${() => setEditing(false)} />`}
    </section>`;
}

/** The event as the list has it, for want of the bytes that went out. */
function written(delivery) {
  if (delivery.data) return JSON.stringify({ data: delivery.data }, null, 2);
  const bytes = Uint8Array.from(atob(delivery.raw_base64 ?? ''), (char) => char.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

function Attempt({ attempt, isLast }) {
  const state = attempt.delivered ? 'good' : 'bad';
  return html`
    <details class="attempt" open=${isLast}>
      <summary>
        <span class="attempt-name">Attempt ${attempt.number}${attempt.copy > 0 ? `, copy ${attempt.copy}` : ''}</span>
        <span class=${`pill ${state}`}>${outcome(attempt)}</span>
        <span class="attempt-time">${took(attempt)}</span>
      </summary>
      <p class="attempt-url">POST ${attempt.url}</p>
      ${attempt.error && html`<p class="attempt-error">${attempt.error.code} ${attempt.error.title}</p>`}
      <h3>Request</h3>
      <${Headers} label="Request headers" headers=${attempt.request_headers} />
      ${attempt.request_body !== undefined && html`<${Code} label="Request body" text=${attempt.request_body} />`}
      ${attempt.request_body_base64 !== undefined && html`<${Code} label="Request body, base64 because it is not UTF-8" text=${attempt.request_body_base64} />`}
      <h3>Response</h3>
      ${attempt.response_status === null && html`<p class="quiet">There was no answer.</p>`}
      <${Headers} label="Response headers" headers=${attempt.response_headers} />
      ${attempt.response_body ? html`<${Code} label="Response body" text=${attempt.response_body} />` : attempt.response_status !== null && html`<p class="quiet">Its body is empty.</p>`}
    </details>`;
}

function Headers({ label, headers }) {
  if (!headers?.length) return null;
  return html`
    <dl class="headers" aria-label=${label}>
      ${headers.map(([name, value], index) => html`<div key=${index}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>`;
}

/** Text exactly as it is; JSON on one line can be spread out. */
function Code({ label, text }) {
  const spread = pretty(text);
  const [isPretty, setIsPretty] = useState(false);
  const isSpreadAlready = spread === null || spread === text.trim();
  const copy = async () => store.say((await copyText(text)) ? 'Copied.' : 'The browser does not let this page copy.');
  return html`
    <div class="code-box">
      <div class="code-tools">
        <span>${label}</span>
        ${!isSpreadAlready && html`<button type="button" aria-pressed=${isPretty} onClick=${() => setIsPretty(!isPretty)}>Spread out</button>`}
        <button type="button" aria-label=${`Copy: ${label}`} onClick=${copy}>Copy</button>
      </div>
      <pre tabindex="0" aria-label=${label}>${isPretty ? spread : text}</pre>
    </div>`;
}
