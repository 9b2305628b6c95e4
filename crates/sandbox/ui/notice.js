// The page's latest words: read out, shown for a while, and complaints until they are closed.

import { html, useEffect } from './dom.js';
import { Icon } from './icons.js';
import { useStore } from './store.js';

const SHOWN_MS = 4000;

export function Notice() {
  const store = useStore();
  const notice = store.notice;
  useEffect(() => {
    if (notice?.kind !== 'info') return undefined;
    const timer = setTimeout(() => store.set({ notice: null }), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  // Both regions are always there, because a reader only watches regions that it has seen.
  return html`
    <div class="notices">
      <div role="status">${notice?.kind === 'info' && html`<p class="notice">${notice.text}</p>`}</div>
      <div role="alert">${notice?.kind === 'error' && html`
        <p class="notice error">${notice.text}
          <button type="button" class="icon-button" aria-label="Dismiss" onClick=${() => store.set({ notice: null })}><${Icon} name="close" /></button></p>`}</div>
    </div>`;
}
