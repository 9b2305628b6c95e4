// Files that wait to be sent with a text: chosen, pasted or dropped, checked, and turned into base64.

import { html, useEffect, useMemo } from './dom.js';
import { Icon } from './icons.js';

/** Telnyx takes ten media items in a message. */
const MAX_FILES = 10;
/** The control API takes bodies of 32 MiB; base64 makes four bytes of three. */
const MAX_BYTES = 20 * 1024 * 1024;

/** The files after some more came, and a complaint when not all were taken. */
export function withFiles(files, more) {
  const all = [...files, ...more];
  if (all.length > MAX_FILES) return { files: all.slice(0, MAX_FILES), complaint: `A message takes ${MAX_FILES} attachments; the rest was left out.` };
  const size = all.reduce((sum, file) => sum + file.size, 0);
  if (size > MAX_BYTES) return { files, complaint: `The attachments are larger than ${MAX_BYTES / 1024 / 1024} MiB together.` };
  return { files: all, complaint: null };
}

/** What `POST /texts` takes for a file. */
export async function upload(file) {
  const media = { data: await base64(file), content_type: file.type || 'application/octet-stream' };
  return file.name ? { ...media, filename: file.name } : media;
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(new Error(`"${file.name}" cannot be read.`));
    reader.readAsDataURL(file);
  });
}

/** The waiting files with a small picture each and a button that takes it away. */
export function Waiting({ files, onRemove }) {
  if (files.length === 0) return null;
  return html`
    <ul class="waiting" aria-label="Attachments to be sent">
      ${files.map((file) => html`<${Preview} key=${file} file=${file} onRemove=${() => onRemove(file)} />`)}
    </ul>`;
}

function Preview({ file, onRemove }) {
  const isPicture = file.type.startsWith('image/');
  const url = useMemo(() => (isPicture ? URL.createObjectURL(file) : null), [file]);
  useEffect(() => () => { if (url) URL.revokeObjectURL(url); }, [url]);
  return html`
    <li>
      ${url ? html`<img src=${url} alt="" />` : html`<span class="file-type">${file.type || 'file'}</span>`}
      <span class="file-name">${file.name || 'picture'}</span>
      <button type="button" class="icon-button" aria-label=${`Remove ${file.name || 'picture'}`} onClick=${onRemove}><${Icon} name="close" /></button>
    </li>`;
}
