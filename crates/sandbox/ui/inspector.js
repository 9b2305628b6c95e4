// What stands beside the phones, and the way between its parts: which view is shown, which delivery is open.

import { store } from './store.js';

export const VIEWS = [
  ['phones', 'Phones'],
  ['deliveries', 'Deliveries'],
  ['faults', 'Faults'],
  ['clock', 'Clock'],
  ['connect', 'Connect'],
];

/** Part of the page's state that no reload needs. */
export const inspector = { view: 'phones', opened: null, help: false, reset: false };

export function show(fields) {
  Object.assign(inspector, fields);
  store.set({});
}

/** Opens a delivery's detail and moves the focus there. */
export function openDelivery(sequence) {
  show({ view: 'deliveries', opened: sequence });
  moveFocus(() => document.getElementById('delivery-title'));
}

/** Back to the list, to the row that was open. */
export function closeDelivery() {
  const sequence = inspector.opened;
  show({ opened: null });
  moveFocus(() => document.getElementById(`row-${sequence}`));
}

/** Puts the focus where it belongs after the next paint, unless the person has moved it by then, even there and back. */
function moveFocus(find) {
  const moved = new AbortController();
  document.addEventListener('focusin', () => moved.abort(), { signal: moved.signal });
  afterPaint(() => {
    if (moved.signal.aborted) return;
    moved.abort();
    find()?.focus();
  });
}

// The store draws in the next frame, the browser after it.
export function afterPaint(act) {
  requestAnimationFrame(() => requestAnimationFrame(act));
}
