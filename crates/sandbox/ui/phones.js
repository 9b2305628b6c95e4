// The row of phones, and how one more comes to it.

import { html, useLayoutEffect, useRef, useState } from './dom.js';
import { Icon } from './icons.js';
import { afterPaint } from './inspector.js';
import { readNumber } from './numbers.js';
import { book } from './phone-book.js';
import { Phone } from './phone.js';

/** Numbers without a phone here that are offered at once. */
const STRANGERS_SHOWN = 4;

export function Phones() {
  const strangers = book.strangers();
  return html`
    <section class="phones-pane" aria-labelledby="phones-title">
      <div class="phones-head">
        <h1 id="phones-title">Phones</h1>
        <${NewPhone} />
      </div>
      ${strangers.length > 0 && html`
        <div class="strangers" aria-label="Numbers without a phone on this page" role="group">
          <span>Also talking:</span>
          ${strangers.slice(0, STRANGERS_SHOWN).map((number) => html`
            <button type="button" key=${number} aria-label=${`Show a phone for ${number}`} onClick=${() => bring(number)}>${number}</button>`)}
          ${strangers.length > STRANGERS_SHOWN && html`<span>and ${strangers.length - STRANGERS_SHOWN} more</span>`}
        </div>`}
      <div class="row">
        ${book.phones.map((phone) => html`<${Phone} key=${phone.number} phone=${phone} />`)}
        ${book.phones.length === 0 && html`
          <div class="no-phones">
            <p>A phone is any number that is not the account's.</p>
            <button type="button" class="primary" onClick=${() => bring()}>Invent a phone</button>
          </div>`}
      </div>
    </section>`;
}

/** Adds a phone and puts the cursor into it; returns the complaint, if any. */
function bring(number) {
  const complaint = book.add(number);
  if (complaint) return complaint;
  const { number: added } = book.phones.at(-1);
  afterPaint(() => {
    const field = document.getElementById(`composer-${added}`);
    field?.closest('.phone').scrollIntoView({ inline: 'nearest', block: 'nearest' });
    field?.focus();
  });
  return null;
}

function NewPhone() {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState('');
  const [trouble, setTrouble] = useState('');
  const field = useRef(null);
  useLayoutEffect(() => field.current?.focus(), [open]);

  function begin() {
    setOpen(true);
    setText('');
    setTrouble('');
  }

  function submit(event) {
    event.preventDefault();
    const number = text.trim() === '' ? undefined : readNumber(text);
    if (number === null) return setTrouble('Write the number as +15551234567, or leave it empty to invent one.');
    const complaint = bring(number);
    setTrouble(complaint ?? '');
    return setOpen(complaint !== null);
  }

  function escape(event) {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    setOpen(false);
    afterPaint(() => document.getElementById('new-phone')?.focus());
  }

  if (!open) {
    return html`<button type="button" id="new-phone" onClick=${begin}><${Icon} name="add" />New phone</button>`;
  }
  return html`
    <form class="new-phone" onSubmit=${submit} onKeyDown=${escape}>
      <label class="visually-hidden" for="new-phone-number">Number of the new phone; empty for an invented one</label>
      <input id="new-phone-number" ref=${field} type="tel" placeholder="+1… or empty to invent" autocomplete="off" value=${text} aria-invalid=${trouble !== ''}
        aria-describedby="new-phone-trouble" onInput=${(event) => setText(event.target.value)} />
      <button class="primary">Add</button>
      <button type="button" class="icon-button" aria-label="Cancel" onClick=${() => setOpen(false)}><${Icon} name="close" /></button>
      <p id="new-phone-trouble" class="trouble" role="alert">${trouble}</p>
    </form>`;
}
