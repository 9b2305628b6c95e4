// One conversation on one phone: bubbles, pictures, and under each text how its webhook fares.

import { inWords, outcome } from './deliveries.js';
import { html, useLayoutEffect, useMemo, useRef } from './dom.js';
import { openDelivery, show } from './inspector.js';
import { Media } from './media.js';
import { receipt, sender, statuses } from './messages.js';
import { hue } from './numbers.js';
import { LIMITS, store } from './store.js';
import { clockTime, dayAndTime, took } from './time.js';

export function Thread({ phone, others, conversation, empty }) {
  const list = useRef(null);
  const followsEnd = useRef(true);
  const messages = useMemo(() => inOrder(conversation), [conversation]);
  // New words are shown, unless the person scrolled up to read old ones.
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return undefined;
    const toEnd = () => { if (followsEnd.current) element.scrollTop = element.scrollHeight; };
    toEnd();
    // Pictures get their height when they arrive.
    element.addEventListener('load', toEnd, true);
    return () => element.removeEventListener('load', toEnd, true);
  });
  const scrolled = ({ target }) => { followsEnd.current = target.scrollHeight - target.scrollTop - target.clientHeight < 40; };

  return html`
    <div class="thread" ref=${list} onScroll=${scrolled} tabindex="0" role="log" aria-live="polite" aria-label=${`Messages between ${phone.number} and ${others.join(', ')}`}>
      ${conversation?.hidden > 0 && html`<p class="thread-note">Only the latest ${LIMITS.messagesPerConversation} messages are shown.</p>`}
      ${messages.length === 0 && empty}
      ${messages.map((message) => html`<${Bubble} key=${message.id} message=${message} phone=${phone} isGroup=${others.length > 1} />`)}
    </div>`;
}

// By time; what has the same time stays as it came.
function inOrder(conversation) {
  if (!conversation) return [];
  return [...conversation.messages.values()].sort((a, b) => Date.parse(a.received_at) - Date.parse(b.received_at) || 0);
}

function Bubble({ message, phone, isGroup }) {
  const from = sender(message);
  const isMine = from === phone.number && message.direction === 'inbound';
  const deliveries = message.direction === 'inbound' ? store.deliveriesOf(message.id) : [];
  return useMemo(() => html`
    <article class=${`message ${isMine ? 'mine' : 'theirs'}`} aria-label=${isMine ? 'Sent' : `From ${from}`}>
      ${isGroup && !isMine && html`<p class=${`speaker ${hue(from)}`}>${from}</p>`}
      <div class="bubble">
        ${message.subject && html`<p class="subject">${message.subject}</p>`}
        ${(message.media ?? []).map((item, index) => html`<${Media} key=${index} item=${item} />`)}
        ${message.text && html`<p class="text">${message.text}</p>`}
      </div>
      <div class="under" aria-live="off">
        <time datetime=${message.received_at} title=${dayAndTime(message.received_at)}>${clockTime(message.received_at)}</time>
        ${isMine && deliveries.map((delivery) => html`<${Progress} key=${delivery.sequence} delivery=${delivery} />`)}
        ${message.direction === 'outbound' && html`<${Receipt} message=${message} phone=${phone} />`}
      </div>
    </article>`, [message, isMine, isGroup, ...deliveries, deliveries.length]);
}

/** The attempts of one webhook, each as it ends. */
function Progress({ delivery }) {
  if (delivery.status === 'no_url') {
    return html`<button type="button" class="step bad" onClick=${() => show({ view: 'connect' })}>no webhook: no URL is set</button>`;
  }
  const failed = delivery.attempts.filter((attempt) => !attempt.delivered);
  const delivered = delivery.attempts.filter((attempt) => attempt.delivered);
  const open = () => openDelivery(delivery.sequence);
  return html`
    <button type="button" class="steps" onClick=${open} title=${`Webhook ${inWords(delivery)}; open it in the log`}>
      ${failed.map((attempt) => html`
        <span class="step bad" key=${`${attempt.copy}-${attempt.started_at}-${attempt.number}`}>attempt ${attempt.number}${copy(attempt)} → ${outcome(attempt)} · ${took(attempt)}</span>`)}
      ${delivered.map((attempt) => html`
        <span class="step good" key=${`${attempt.copy}-${attempt.started_at}-${attempt.number}`}>delivered${copy(attempt)} · ${attempt.response_status} · ${took(attempt)}</span>`)}
      ${delivery.status === 'pending' && html`<span class="step open">${failed.length ? 'will be tried again' : 'webhook on its way'}</span>`}
      ${delivery.status === 'failed' && html`<span class="step bad">given up</span>`}
      ${delivery.status === 'dropped' && html`<span class="step bad">webhook dropped</span>`}
    </button>`;
}

const copy = (attempt) => (attempt.copy > 0 ? ` (copy ${attempt.copy})` : '');

/** How a message of the account fared with its carrier. */
function Receipt({ message, phone }) {
  const own = statuses(message).find(({ number }) => number === phone.number);
  const { word, state } = own && statuses(message).length > 1 ? receipt({ ...message, to: [{ status: own.status }] }) : receipt(message);
  return html`
    <span class=${`step ${state}`}>${word}</span>
    ${(message.errors ?? []).map((error, index) => html`
      <span class="step bad" key=${index}>${[error.code, error.title, error.detail].filter(Boolean).join(' · ')}</span>`)}`;
}
