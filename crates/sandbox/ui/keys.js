// The page's keys, where no field is being typed in and no dialog is open.

import { afterPaint, closeDelivery, inspector, show } from './inspector.js';

const isTyping = (target) => target.closest('input, textarea, select, [contenteditable]') !== null;

export function listen() {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape') return escape(event);
    const act = ACTS[event.key];
    if (!act || isTyping(event.target)) return;
    event.preventDefault();
    act();
  });
}

const ACTS = {
  j: () => move(1),
  k: () => move(-1),
  '/': () => inLog(() => document.getElementById('log-filter')?.focus()),
  n: () => {
    show({ view: 'phones' });
    afterPaint(() => document.getElementById('new-phone')?.click());
  },
  '?': () => show({ help: true }),
};

function escape(event) {
  if (event.target.id === 'log-filter') focusRow(0);
  else if (isTyping(event.target)) event.target.blur();
  else if (inspector.view === 'deliveries' && inspector.opened !== null) closeDelivery();
}

/** The log stands beside the phones on a wide page; on a narrow one it must come up first. */
function inLog(act) {
  if (document.getElementById('log-filter')?.offsetParent) return act();
  show({ view: 'deliveries' });
  return afterPaint(act);
}

function move(step) {
  inLog(() => {
    const rows = [...document.querySelectorAll('.log-row')];
    const at = rows.indexOf(document.activeElement);
    const from = at >= 0 ? at : rows.findIndex((row) => row.getAttribute('aria-current') === 'true');
    focusRow(from < 0 ? 0 : Math.min(Math.max(from + step, 0), rows.length - 1));
  });
}

function focusRow(index) {
  const row = document.querySelectorAll('.log-row')[index];
  row?.focus();
  row?.scrollIntoView({ block: 'nearest' });
}
