// The delivery log: a list that can be filtered, and beside it the delivery that is open.

import { Connect } from './connect.js';
import { pill, stateOf } from './deliveries.js';
import { Delivery } from './delivery.js';
import { html, useMemo, useState } from './dom.js';
import { inspector, openDelivery } from './inspector.js';
import { numberOf } from './messages.js';
import { LIMITS, store } from './store.js';
import { clockTime, dayAndTime } from './time.js';

const STATUSES = [['', 'any status'], ['pending', 'pending'], ['delivered', 'delivered'], ['failed', 'failed'], ['no_url', 'no URL'], ['dropped', 'dropped']];

export function Log() {
  const [words, setWords] = useState('');
  const [type, setType] = useState('');
  const [status, setStatus] = useState('');
  const all = [...store.deliveries.values()];
  const types = [...new Set([...all.map((delivery) => delivery.event_type), ...(type ? [type] : [])])].sort();
  const found = all.filter((delivery) => (!type || delivery.event_type === type) && (!status || delivery.status === status) && mentions(delivery, words)).reverse();
  const opened = inspector.opened === null ? null : store.deliveries.get(inspector.opened) ?? null;

  return html`
    <div class=${`log ${opened ? 'has-detail' : ''}`}>
      <section class="log-list" aria-label="Deliveries">
        <div class="filters" role="search" aria-label="Filter the log">
          <input id="log-filter" type="search" placeholder="Filter  /" aria-label="Filter by words, numbers or ids" value=${words} onInput=${(event) => setWords(event.target.value)} />
          <select aria-label="Event type" value=${type} onChange=${(event) => setType(event.target.value)}>
            <option value="">any event</option>
            ${types.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
          </select>
          <select aria-label="Status" value=${status} onChange=${(event) => setStatus(event.target.value)}>
            ${STATUSES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
          </select>
        </div>
        <ol class="log-rows">
          ${found.map((delivery) => html`<${Row} key=${delivery.sequence} delivery=${delivery} current=${delivery === opened} />`)}
        </ol>
        ${all.length > 0 && found.length === 0 && html`<p class="quiet">No delivery matches the filter.</p>`}
        ${all.length === 0 && html`<p class="quiet">No webhook yet. Each one appears here as it goes out.</p>`}
        ${store.deliveriesHidden && html`<p class="quiet">Only the latest ${LIMITS.deliveries} deliveries are shown; older ones are in the control API.</p>`}
      </section>
      ${opened && html`<${Delivery} key=${opened.sequence} delivery=${opened} />`}
      ${!opened && all.length === 0 && html`<div class="log-empty"><${Connect} /></div>`}
      ${!opened && all.length > 0 && html`<p class="log-empty quiet">Choose a delivery to see what was sent and what came back. <kbd>j</kbd> and <kbd>k</kbd> move, <kbd>Enter</kbd> opens.</p>`}
    </div>`;
}

function mentions(delivery, words) {
  if (words.trim() === '') return true;
  const payload = delivery.data?.payload;
  const numbers = payload ? [payload.from, ...[payload.to ?? []].flat(), ...(payload.cc ?? [])].map(numberOf) : [];
  const text = [delivery.event_type, delivery.status, delivery.event_id, delivery.message_id, delivery.url, payload?.text, ...numbers].join(' ').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function Row({ delivery, current }) {
  return useMemo(() => {
    const payload = delivery.data?.payload;
    const people = payload ? `${numberOf(payload.from)} → ${[payload.to ?? []].flat().map(numberOf).join(', ')}` : 'as it was written';
    const count = delivery.attempts.length;
    return html`
      <li>
        <button type="button" id=${`row-${delivery.sequence}`} class="log-row" aria-current=${current ? 'true' : undefined} onClick=${() => openDelivery(delivery.sequence)}>
          <span class="row-type">${delivery.event_type}</span>
          <span class=${`pill ${stateOf(delivery)}`}>${pill(delivery)}</span>
          <span class="row-people">${people}</span>
          <span class="row-time"><time datetime=${delivery.started_at} title=${dayAndTime(delivery.started_at)}>${clockTime(delivery.started_at)}</time>${count > 1 ? ` · ${count} attempts` : ''}</span>
        </button>
      </li>`;
  }, [delivery, current]);
}
