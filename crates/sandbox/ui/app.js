// The page as a whole: head, phones, what stands beside them, dialogs.

import { Clock } from './clock.js';
import { Connect } from './connect.js';
import { HelpDialog, ResetDialog } from './dialogs.js';
import { html, useState } from './dom.js';
import { Faults } from './faults.js';
import { Icon } from './icons.js';
import { VIEWS, inspector, show } from './inspector.js';
import { KeyForm } from './key-form.js';
import { switchAccount } from './live.js';
import { Log } from './log.js';
import { Notice } from './notice.js';
import { book } from './phone-book.js';
import { Phones } from './phones.js';
import { useStore } from './store.js';
import { currentTheme, nextTheme } from './theme.js';

export function App() {
  const store = useStore();
  if (store.account) book.open(store.account);
  return html`
    <div class=${`page view-${inspector.view}`}>
      <${Head} store=${store} />
      <${Body} store=${store} />
      <${Notice} />
      ${inspector.help && html`<${HelpDialog} onClose=${() => show({ help: false })} />`}
      ${inspector.reset && html`<${ResetDialog} onClose=${() => show({ reset: false })} />`}
    </div>`;
}

function Body({ store }) {
  if (store.needsKey) return html`<main class="alone"><${KeyForm} /></main>`;
  if (!store.account) {
    const lost = store.connection === 'lost';
    return html`<main class="alone"><p class="loading">${lost ? 'The sandbox does not answer. This page comes back as soon as it does.' : 'Opening the sandbox…'}</p></main>`;
  }
  return html`
    <main>
      <${Phones} />
      <div class="beside"><${Beside} /></div>
    </main>`;
}

function Head({ store }) {
  return html`
    <header class="head">
      <p class="brand"><img src="/ui/icon.svg" alt="" width="22" height="22" />Inlet sandbox</p>
      <${Connection} store=${store} />
      ${store.accounts.length > 1 && html`
        <label class="account"><span class="visually-hidden">Account</span>
          <select value=${store.account?.name} onChange=${(event) => switchAccount(event.target.value)}>
            ${store.accounts.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
          </select></label>`}
      <${Views} />
      <div class="head-tools">
        <button type="button" onClick=${() => show({ reset: true })}>Reset…</button>
        <${Theme} />
        <button type="button" class="icon-button" aria-label="Keyboard help" title="Keyboard help (?)" onClick=${() => show({ help: true })}><${Icon} name="help" /></button>
      </div>
    </header>`;
}

function Connection({ store }) {
  const words = { connecting: 'connecting', live: 'live', lost: 'disconnected, retrying' };
  return html`<p class=${`connection ${store.connection}`} role="status">${store.needsKey ? 'needs a key' : words[store.connection]}</p>`;
}

function Views() {
  return html`
    <nav class="views" aria-label="Parts of the page">
      ${VIEWS.map(([view, label]) => html`
        <button type="button" key=${view} class=${`view-button to-${view}`} aria-current=${isShown(view) ? 'page' : undefined} onClick=${() => show({ view })}>${label}</button>`)}
    </nav>`;
}

// On a wide page the phones are always there, and the log is what stands beside them at first.
const isShown = (view) => inspector.view === view || (view === 'deliveries' && inspector.view === 'phones' && isWide());
const isWide = () => window.matchMedia('(min-width: 62rem)').matches;

function Beside() {
  if (inspector.view === 'faults') return html`<${Faults} />`;
  if (inspector.view === 'clock') return html`<${Clock} />`;
  if (inspector.view === 'connect') return html`<div class="panel"><${Connect} /></div>`;
  return html`<${Log} />`;
}

function Theme() {
  const [theme, setTheme] = useState(currentTheme());
  return html`
    <button type="button" class="icon-button" aria-label=${`Theme: ${theme}`} title=${`Theme: ${theme}`} onClick=${() => setTheme(nextTheme())}><${Icon} name=${theme} /></button>`;
}
