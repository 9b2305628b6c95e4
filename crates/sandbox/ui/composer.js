// Where a phone's text is written: words, pictures by button, paste or drop, and sending them.

import * as api from './api.js';
import { Waiting, upload, withFiles } from './attachments.js';
import { html, useRef, useState } from './dom.js';
import { Icon } from './icons.js';
import { store } from './store.js';

export function Composer({ phone, to, cc, files, setFiles, onBegin }) {
  const [text, setText] = useState('');
  const [sending, setSending] = useState(false);
  const [trouble, setTrouble] = useState('');
  const field = useRef(null);
  const picker = useRef(null);
  const isEmpty = text.trim() === '' && files.length === 0;

  function add(more) {
    const { files: all, complaint } = withFiles(files, more);
    setFiles(all);
    setTrouble(complaint ?? '');
    field.current.focus();
  }

  function pasted(event) {
    const more = [...event.clipboardData.files];
    if (more.length === 0) return;
    event.preventDefault();
    add(more);
  }

  async function send(event) {
    event?.preventDefault();
    if (isEmpty || sending) return;
    setSending(true);
    setTrouble('');
    try {
      const media = await Promise.all(files.map(upload));
      await api.sendText({ from: phone.number, to, cc, media, ...(text.trim() === '' ? {} : { text }) });
      setText('');
      setFiles([]);
    } catch (error) {
      if (error.status === 401) store.complain(error);
      setTrouble(error.message);
    } finally {
      setSending(false);
      field.current?.focus();
    }
  }

  const keyed = (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
  };
  const name = `composer-${phone.number}`;

  if (!to) return html`<p class="composer-note">Nobody here can be texted: none of them is a number of the account.</p>`;
  return html`
    <form class="composer" onSubmit=${send}>
      <${Waiting} files=${files} onRemove=${(file) => setFiles(files.filter((other) => other !== file))} />
      ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
      <div class="composer-row">
        <input ref=${picker} class="hidden" type="file" multiple tabindex="-1" aria-label=${`Files to attach on ${phone.number}`}
          onChange=${(event) => { add([...event.target.files]); event.target.value = ''; }} />
        <button type="button" class="icon-button" aria-label="Attach pictures or files" onClick=${() => picker.current.click()}><${Icon} name="attach" /></button>
        <textarea id=${name} ref=${field} rows="1" placeholder="Text message" aria-label=${`Text from ${phone.number}`} value=${text}
          onInput=${(event) => setText(event.target.value)} onFocus=${onBegin} onKeyDown=${keyed} onPaste=${pasted}></textarea>
        <button class="send" aria-label="Send" aria-disabled=${isEmpty || sending}><${Icon} name="send" /></button>
      </div>
    </form>`;
}
