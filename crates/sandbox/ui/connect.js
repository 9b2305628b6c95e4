// How a program of one's own is connected: addresses, keys, a first text, and commands to copy.

import * as api from './api.js';
import { copyText } from './clipboard.js';
import { quoted } from './curl.js';
import { html, useState } from './dom.js';
import { book, ownNumbers } from './phone-book.js';
import { store } from './store.js';

export function Connect() {
  const account = store.account;
  if (!account) return null;
  const phone = book.phones[0]?.number ?? '+15551234567';
  const number = ownNumbers()[0] ?? '';
  const origin = window.location.origin;
  const bearer = api.currentKey() === null ? '' : ` \\\n  -H ${quoted(`Authorization: Bearer ${api.currentKey()}`)}`;
  const environment = `export TELNYX_API_KEY=${quoted(account.api_key)}
export TELNYX_PUBLIC_KEY=${quoted(account.public_key)}
export TELNYX_BASE_URL=${quoted(account.api_url)}`;
  const text = JSON.stringify({ from: phone, to: number, text: 'Hello!' });
  const reply = JSON.stringify({ from: number, to: phone, text: 'Hello back!' });
  return html`
    <section class="connect" aria-labelledby="connect-title">
      <h2 id="connect-title">Connect your receiver</h2>
      <p>The sandbox plays Telnyx: a text from a phone becomes a signed webhook to your program, and what your program sends comes back to the phone.</p>
      <${WebhookUrl} key=${account.webhook_url} account=${account} />
      <p class="buttons start"><${SendMeAText} phone=${phone} number=${number} /></p>
      <h3>Your program's environment</h3>
      <p class="quiet">Telnyx's own SDKs read these and need no other change.</p>
      <${Copyable} label="Environment variables" text=${environment} />
      <h3>From a shell</h3>
      <${Copyable} label="Text by command line" text=${`inlet text ${phone} ${number} 'Hello!' --sandbox-url ${quoted(origin)}`} />
      <${Copyable} label="Text by curl" text=${`curl -sS ${quoted(`${origin}/sandbox/v1/texts`)}${bearer} \\\n  -H 'content-type: application/json' -d ${quoted(text)}`} />
      <${Copyable} label="Answer to the phone" text=${`curl -sS ${quoted(`${account.api_url}/messages`)} \\\n  -H ${quoted(`Authorization: Bearer ${account.api_key}`)} \\\n  -H 'content-type: application/json' -d ${quoted(reply)}`} />
    </section>`;
}

function WebhookUrl({ account }) {
  const [url, setUrl] = useState(account.webhook_url ?? '');
  const [trouble, setTrouble] = useState('');

  async function save(event) {
    event.preventDefault();
    try {
      await api.setWebhookUrl(account, url.trim() === '' ? null : url.trim());
      store.set({ account: { ...account, webhook_url: url.trim() || null } });
      store.say(url.trim() === '' ? 'Webhooks go nowhere now.' : `Webhooks go to ${url.trim()} now.`);
      setTrouble('');
    } catch (error) {
      setTrouble(error.message);
    }
  }

  return html`
    <form class="inline-form" onSubmit=${save}>
      <label class="field grow">Webhook URL
        <input name="webhook-url" type="url" value=${url} placeholder="http://localhost:3000/webhooks" onInput=${(event) => setUrl(event.target.value)} /></label>
      <button>Save</button>
    </form>
    ${!account.webhook_url && html`<p class="hint">No URL is set, so webhooks go nowhere yet. Set it here, or start with <code>inlet sandbox --webhook-url URL</code>.</p>`}
    ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}`;
}

function SendMeAText({ phone, number }) {
  const [busy, setBusy] = useState(false);
  async function send() {
    setBusy(true);
    try {
      const known = book.phones.some((other) => other.number === phone);
      if (!known) book.add(phone);
      await api.sendText({ from: phone, to: number, text: 'Hello from the sandbox!' });
    } catch (error) {
      store.complain(error);
    } finally {
      setBusy(false);
    }
  }
  return html`<button type="button" class="primary" disabled=${busy || !number} onClick=${send}>Send me a text</button>`;
}

function Copyable({ label, text }) {
  const copy = async () => store.say((await copyText(text)) ? `Copied: ${label.toLowerCase()}.` : 'The browser does not let this page copy; select the text instead.');
  return html`
    <div class="code-box">
      <div class="code-tools"><span>${label}</span><button type="button" aria-label=${`Copy: ${label}`} onClick=${copy}>Copy</button></div>
      <pre tabindex="0" aria-label=${label}>${text}</pre>
    </div>`;
}
