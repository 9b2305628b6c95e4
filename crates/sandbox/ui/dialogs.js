// Dialogs on the browser's own element, which keeps the focus inside and gives it back.

import * as api from './api.js';
import { html, useEffect, useRef, useState } from './dom.js';
import { Icon } from './icons.js';
import { store } from './store.js';

export function Dialog({ title, onClose, wide = false, children }) {
  const element = useRef(null);
  useEffect(() => {
    const dialog = element.current;
    const opener = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (opener?.isConnected) opener.focus();
    };
  }, []);
  return html`
    <dialog ref=${element} class=${wide ? 'wide' : ''} aria-labelledby="dialog-title" onCancel=${(event) => { event.preventDefault(); onClose(); }}>
      <div class="dialog-head">
        <h2 id="dialog-title">${title}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button>
      </div>
      ${children}
    </dialog>`;
}

export function ResetDialog({ onClose }) {
  const [restartIds, setRestartIds] = useState(false);
  const [busy, setBusy] = useState(false);

  async function reset() {
    setBusy(true);
    try {
      await api.reset(restartIds);
      store.say('The sandbox is as it was at its start.');
      onClose();
    } catch (error) {
      store.complain(error);
      setBusy(false);
    }
  }

  return html`
    <${Dialog} title="Reset this account?" onClose=${onClose}>
      <p>All its messages, deliveries, pictures, faults and moves of the clock are forgotten. The phones on this page stay.</p>
      <label class="check"><input type="checkbox" checked=${restartIds} onChange=${(event) => setRestartIds(event.target.checked)} />
        Begin the ids again, too (a receiver may then see an id twice)</label>
      <div class="buttons">
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="button" class="danger" disabled=${busy} onClick=${reset}>Reset</button>
      </div>
    <//>`;
}

const KEYS = [
  ['j', 'next delivery in the log'],
  ['k', 'previous delivery'],
  ['Enter', 'open the delivery; in a phone, send'],
  ['Shift + Enter', 'new line in a text'],
  ['Esc', 'back to the list, or out of a dialog'],
  ['/', 'filter the log'],
  ['n', 'new phone'],
  ['?', 'this help'],
];

export function HelpDialog({ onClose }) {
  return html`
    <${Dialog} title="Keyboard" onClose=${onClose}>
      <dl class="keys">
        ${KEYS.map(([key, does]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${does}</dd></div>`)}
      </dl>
      <p>Pictures can also be pasted into a phone, or dropped on it.</p>
    <//>`;
}
