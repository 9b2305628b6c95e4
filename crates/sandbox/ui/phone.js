// One phone: its number, with whom it talks, the conversation, and what it writes.

import { Composer } from './composer.js';
import { withFiles } from './attachments.js';
import { html, useEffect, useState } from './dom.js';
import { Icon } from './icons.js';
import { conversationKey } from './messages.js';
import { hue, readNumbers } from './numbers.js';
import { book, ownNumbers, owns } from './phone-book.js';
import { store } from './store.js';
import { Thread } from './thread.js';

export function Phone({ phone }) {
  const [grouping, setGrouping] = useState(false);
  const [files, setFiles] = useState([]);
  const [isTarget, setIsTarget] = useState(false);
  const others = book.othersOf(phone);
  const conversation = store.conversations.get(conversationKey([phone.number, ...others]));
  useEffect(() => book.markSeen(phone, conversation));
  const to = others.find(owns);
  // Who begins to write means the conversation on show; it must not change under the cursor.
  const stay = () => { if (phone.others.length === 0) book.turnTo(phone.number, others); };

  const drag = {
    onDragOver: (event) => { event.preventDefault(); setIsTarget(true); },
    onDragLeave: (event) => { if (!event.currentTarget.contains(event.relatedTarget)) setIsTarget(false); },
    onDrop: (event) => {
      event.preventDefault();
      setIsTarget(false);
      const { files: all, complaint } = withFiles(files, [...event.dataTransfer.files]);
      setFiles(all);
      if (complaint) store.complain(new Error(complaint));
    },
  };

  return html`
    <section class=${`phone ${hue(phone.number)} ${isTarget ? 'target' : ''}`} aria-label=${`Phone ${phone.number}`} data-number=${phone.number} ...${drag}>
      <header class="phone-head">
        <span class="avatar" aria-hidden="true">${phone.number.slice(-2)}</span>
        <h2>${phone.number}</h2>
        <button type="button" class="icon-button" aria-label="New group" aria-expanded=${grouping} title="New group" onClick=${() => setGrouping(!grouping)}><${Icon} name="group" /></button>
        <button type="button" class="icon-button" aria-label=${`Remove phone ${phone.number}`} title="Remove this phone" onClick=${() => book.remove(phone.number)}><${Icon} name="close" /></button>
      </header>
      <${Chooser} phone=${phone} others=${others} />
      ${grouping && html`<${NewGroup} phone=${phone} first=${to} onDone=${() => setGrouping(false)} />`}
      <${Thread} key=${conversationKey([phone.number, ...others])} phone=${phone} others=${others} conversation=${conversation} empty=${html`<${Empty} to=${to} others=${others} />`} />
      <${Composer} phone=${phone} to=${to} cc=${others.filter((number) => number !== to)} files=${files} setFiles=${setFiles} onBegin=${stay} />
    </section>`;
}

function Empty({ to, others }) {
  if (!to) return html`<p class="thread-empty">Nothing here yet.</p>`;
  return html`
    <div class="thread-empty">
      <p>Write to <strong>${others.join(', ')}</strong>.</p>
      <p>Your receiver gets a signed webhook; each attempt ticks by under the text, and what your program answers appears here.</p>
    </div>`;
}

/** With whom the phone talks; conversations with something new are offered by name. */
function Chooser({ phone, others }) {
  const choices = book.conversationsOf(phone);
  const current = conversationKey(others);
  const news = choices.map((choice) => [choice, book.unread(phone, choice)]).filter(([choice, count]) => count > 0 && conversationKey(choice) !== current);
  const turn = (choice) => book.turnTo(phone.number, choice);
  return html`
    <div class="chooser">
      <label>To
        <select aria-label=${`${phone.number} talks to`} value=${current} onChange=${(event) => turn(event.target.value.split(' '))}>
          ${choices.map((choice) => html`<option key=${conversationKey(choice)} value=${conversationKey(choice)}>${label(choice)}</option>`)}
        </select>
      </label>
      ${news.map(([choice, count]) => html`
        <button type="button" class="news" key=${conversationKey(choice)} onClick=${() => turn(choice)}>${count} new from ${label(choice)}</button>`)}
    </div>`;
}

const label = (others) => (others.length > 1 ? `Group: ${others.join(', ')}` : others[0]);

function NewGroup({ phone, first, onDone }) {
  const [account, setAccount] = useState(first ?? ownNumbers()[0]);
  const [text, setText] = useState('');
  const [trouble, setTrouble] = useState('');
  const neighbours = book.phones.map(({ number }) => number).filter((number) => number !== phone.number);
  const listed = readNumbers(text).numbers;

  function start(event) {
    event.preventDefault();
    const { numbers, wrong } = readNumbers(text);
    const people = numbers.filter((number) => number !== phone.number && number !== account);
    if (wrong.length) return setTrouble(`"${wrong[0]}" is not a number; write it as +15551234567.`);
    if (people.length === 0) return setTrouble('Name at least one more person.');
    book.turnTo(phone.number, [account, ...people]);
    return onDone();
  }

  return html`
    <form class="new-group" onSubmit=${start} aria-label="New group">
      <label class="field">Number of the account
        <select value=${account} onChange=${(event) => setAccount(event.target.value)}>
          ${ownNumbers().map((number) => html`<option key=${number} value=${number}>${number}</option>`)}
        </select></label>
      <label class="field">Further people
        <input name="people" value=${text} placeholder="+15551234567, …" autocomplete="off" onInput=${(event) => setText(event.target.value)} /></label>
      ${neighbours.length > 0 && html`
        <div class="suggestions">
          ${neighbours.filter((number) => !listed.includes(number)).map((number) => html`
            <button type="button" key=${number} onClick=${() => setText(text.trim() ? `${text.trim().replace(/,$/, '')}, ${number}` : number)}>Add ${number}</button>`)}
        </div>`}
      ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
      <div class="buttons">
        <button type="button" onClick=${onDone}>Cancel</button>
        <button class="primary">Start group</button>
      </div>
    </form>`;
}
