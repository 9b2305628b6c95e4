// Pictures and other attachments: shown when they lie on the sandbox's own media host, named as a link otherwise.

import { keyHeaders } from './api.js';
import { html, useEffect, useState } from './dom.js';
import { store } from './store.js';

/** The path of a media URL on this origin, or null for anything that lies elsewhere. */
export function ownPath(url) {
  try {
    const { origin, pathname } = new URL(url);
    const homes = [window.location.origin];
    if (store.account) homes.push(new URL(store.account.api_url).origin);
    return homes.includes(origin) && pathname.startsWith('/media/') ? pathname : null;
  } catch {
    return null;
  }
}

export function Media({ item }) {
  const path = ownPath(item.url);
  if (path === null) return html`<${Foreign} url=${item.url} />`;
  return html`<${Own} key=${path} path=${path} type=${item.content_type ?? ''} />`;
}

function Foreign({ url }) {
  // A link of another scheme than http, as `javascript:`, is only text.
  if (!/^https?:\/\//i.test(url ?? '')) return html`<span class="media-link">${url || 'media without a URL'}</span>`;
  return html`<a class="media-link" href=${url} target="_blank" rel="noopener noreferrer">${url}</a>`;
}

/** First by its plain address; when that is refused, once more with the key. */
function Own({ path, type }) {
  const [source, setSource] = useState(path);
  const [trouble, setTrouble] = useState('');
  useEffect(() => () => { if (source.startsWith('blob:')) URL.revokeObjectURL(source); }, [source]);

  async function secondTry() {
    if (source !== path || trouble) return setTrouble('cannot be shown');
    const response = await fetch(path, { headers: keyHeaders(store.account?.api_key) }).catch(() => null);
    if (!response) return setTrouble('cannot be reached');
    if (!response.ok) return setTrouble(response.status === 401 ? 'needs the key' : `is gone (${response.status})`);
    const blob = await response.blob();
    // Only what a picture, sound or film element can hold: a document would run in this page's origin.
    if (!/^(image|audio|video)\//.test(blob.type)) return setTrouble('cannot be shown');
    setSource(URL.createObjectURL(blob));
  }

  if (trouble) {
    return html`<a class="media-link" href=${path} target="_blank" rel="noopener">Attachment ${trouble}</a>`;
  }
  if (type.startsWith('video/')) return html`<video class="media" controls preload="metadata" src=${source} onError=${secondTry}></video>`;
  if (type.startsWith('audio/')) return html`<audio class="media" controls preload="metadata" src=${source} onError=${secondTry}></audio>`;
  if (type !== '' && !type.startsWith('image/')) {
    return html`<a class="media-link" href=${path} target="_blank" rel="noopener">${type} attachment</a>`;
  }
  return html`<img class="media" src=${source} alt="Picture in the message" onError=${secondTry} />`;
}
