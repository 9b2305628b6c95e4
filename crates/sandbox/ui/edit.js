// Edit and send: a delivery's body as text, checked as it is typed, sent byte for byte and signed.

import * as api from './api.js';
import { Dialog } from './dialogs.js';
import { html, useRef, useState } from './dom.js';
import { openDelivery } from './inspector.js';
import { findError } from './json.js';
import { store } from './store.js';

export function EditDialog({ delivery, body, onClose }) {
  const [text, setText] = useState(body);
  const [url, setUrl] = useState(delivery.attempts.at(-1)?.url ?? delivery.url ?? store.account.webhook_url ?? '');
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  const error = findError(text);

  async function send(event) {
    event.preventDefault();
    setBusy(true);
    setTrouble('');
    try {
      const { event_id } = await api.sendEvent({ body_base64: base64(text), ...(url.trim() === '' ? {} : { url: url.trim() }) });
      store.say('Sent, with a signature of its own.');
      onClose();
      await openWhenListed(event_id, delivery.sequence);
    } catch (problem) {
      setTrouble(problem.message);
      setBusy(false);
    }
  }

  function goToError() {
    field.current.focus();
    field.current.setSelectionRange(error.offset, error.offset + 1);
    // The line of the error comes into view: a textarea does not scroll to its selection by itself.
    const lineHeight = Number.parseFloat(getComputedStyle(field.current).lineHeight);
    field.current.scrollTop = Math.max(0, (error.line - 4) * lineHeight);
  }

  return html`
    <${Dialog} title="Edit and send" wide=${true} onClose=${onClose}>
      <form class="edit" onSubmit=${send}>
        <label class="field">To
          <input name="url" type="url" required value=${url} placeholder="http://localhost:3000/webhooks" onInput=${(event) => setUrl(event.target.value)} /></label>
        <label class="field grow">Body, sent exactly as it stands here
          <textarea ref=${field} name="body" class="code" spellcheck=${false} aria-invalid=${error !== null} aria-describedby="edit-error" value=${text} onInput=${(event) => setText(event.target.value)}></textarea></label>
        <div id="edit-error" class="edit-error" role="status">
          ${error && html`
            <p>Not JSON: line ${error.line}, column ${error.column}: ${error.reason}. <button type="button" onClick=${goToError}>Show</button></p>
            <pre>${excerpt(text, error)}</pre>`}
        </div>
        ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
        <div class="buttons">
          <button type="button" title="A receiver that knows the id already takes the event for a repeat" onClick=${() => setText(withNewId(text))} disabled=${error !== null}>New event id</button>
          <span class="spacer"></span>
          <button type="button" onClick=${onClose}>Cancel</button>
          <button class=${error ? '' : 'primary'} disabled=${busy}>${error ? 'Send anyway' : 'Send'}</button>
        </div>
      </form>
    <//>`;
}

// The stream brings the delivery in a moment; without the stream the list stays as it is.
async function openWhenListed(eventId, after) {
  const { data } = await api.deliveries({ event_id: eventId, after, limit: 1 });
  if (data.length === 0) return;
  if (!store.deliveries.has(data[0].sequence)) store.takeDelivery(data[0]);
  openDelivery(data[0].sequence);
}

/** The line with the error, and a mark under its column. */
function excerpt(text, { line, column }) {
  const from = Math.max(0, column - 40);
  const shown = text.split('\n')[line - 1].slice(from, column + 30).replaceAll('\t', ' ');
  return `${shown}\n${' '.repeat(column - 1 - from)}^`;
}

/** Another id in place of `data.id`, so that a receiver does not take the event for a repeat. */
function withNewId(text) {
  const id = JSON.parse(text)?.data?.id;
  if (typeof id !== 'string' || id === '') return text;
  return text.replace(JSON.stringify(id), JSON.stringify(freshId()));
}

// `randomUUID` is missing on pages that are neither on loopback nor on https.
function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function base64(text) {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
