// Asks for the API key when the sandbox listens beyond loopback; the key stays with the tab.

import * as api from './api.js';
import { html, useEffect, useRef, useState } from './dom.js';
import { connect } from './live.js';

export function KeyForm() {
  const [key, setKey] = useState('');
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);

  function submit(event) {
    event.preventDefault();
    api.useKey(key.trim());
    connect();
  }

  return html`
    <form class="key-form" onSubmit=${submit} aria-labelledby="key-title">
      <h1 id="key-title">The sandbox asks for its API key</h1>
      <p>It can be reached from beyond its own machine, so this page needs the key of an account. <code>inlet sandbox</code> prints it when it starts. It is kept in this tab only.</p>
      <label class="field">API key
        <input ref=${field} name="key" type="password" autocomplete="off" required value=${key} onInput=${(event) => setKey(event.target.value)} /></label>
      <div class="buttons"><button class="primary">Use this key</button></div>
    </form>`;
}
