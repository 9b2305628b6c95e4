// Starts the page: draws it, listens to the keys, connects to the sandbox.

import { App } from './app.js';
import { html, render } from './dom.js';
import { listen } from './keys.js';
import { connect } from './live.js';

const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App} />`, root);
listen();
connect();
