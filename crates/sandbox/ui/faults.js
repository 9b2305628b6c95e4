// The faults panel: what goes wrong on request, what may be added, and how often each has struck.

import * as api from './api.js';
import { html, useEffect, useState } from './dom.js';
import { Icon } from './icons.js';
import { FAULT_KINDS, parameterName, readParameters } from './fault-kinds.js';
import { store } from './store.js';

const LOOK_EVERY_MS = 1500;
const GROUPS = ['Webhooks', 'Telnyx API', 'Carrier', 'Media'];

export function Faults() {
  const [faults, setFaults] = useState([]);
  useEffect(() => {
    let stopped = false;
    let timer;
    const look = async () => {
      const answer = await api.faults().catch(() => null);
      if (stopped) return;
      if (answer) setFaults(answer.data);
      timer = setTimeout(look, LOOK_EVERY_MS);
    };
    look();
    return () => { stopped = true; clearTimeout(timer); };
  }, []);

  async function change(act) {
    try {
      await act();
      setFaults((await api.faults()).data);
      return null;
    } catch (error) {
      if (error.status === 401) store.complain(error);
      return error.message;
    }
  }
  const remove = async (index) => complain(await change(() => api.replaceFaults(faults.filter((_, other) => other !== index))));
  const clear = async () => complain(await change(api.clearFaults));

  return html`
    <section class="panel" aria-labelledby="faults-title">
      <div class="panel-head">
        <h2 id="faults-title">Faults</h2>
        ${faults.length > 0 && html`<button type="button" onClick=${clear}>Clear all</button>`}
      </div>
      <p>See how your receiver copes. The first fault that fits strikes.</p>
      ${faults.length === 0 && html`<p class="quiet">Everything works at the moment.</p>`}
      <ul class="faults">
        ${faults.map((fault, index) => html`
          <li key=${index} class=${fault.count === 0 ? 'spent' : ''}>
            <div>
              <strong>${FAULT_KINDS[fault.kind]?.label ?? fault.kind}</strong>
              <p>${described(fault)}</p>
            </div>
            <span class="hits">${struck(fault.hits)}</span>
            <button type="button" class="icon-button" aria-label=${`Remove fault ${FAULT_KINDS[fault.kind]?.label ?? fault.kind}`} onClick=${() => remove(index)}><${Icon} name="close" /></button>
          </li>`)}
      </ul>
      <${NewFault} onAdd=${(fault) => change(() => api.addFault(fault))} />
    </section>`;
}

function complain(detail) {
  if (detail) store.complain(new Error(detail));
}

const struck = (hits) => (hits === 0 ? 'not struck yet' : hits === 1 ? 'struck once' : `struck ${hits} times`);

const GENERAL = ['kind', 'match', 'count', 'probability', 'hits'];

function described(fault) {
  const parameters = Object.entries(fault).filter(([name, value]) => !GENERAL.includes(name) && value !== null);
  const words = parameters.map(([name, value]) => `${parameterName(name)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  if (fault.match?.number) words.push(`for ${fault.match.number}`);
  if (fault.match?.event_type) words.push(`for ${fault.match.event_type}`);
  if (fault.probability < 1) words.push(`with a chance of ${Math.round(fault.probability * 100)} %`);
  if (fault.count === 0) words.push('used up');
  else words.push(fault.count === null || fault.count === undefined ? 'until it is removed' : `${fault.count} more ${fault.count === 1 ? 'time' : 'times'}`);
  return words.join(' · ');
}

function NewFault({ onAdd }) {
  const [kind, setKind] = useState('webhook_duplicate');
  const [values, setValues] = useState({});
  const [trouble, setTrouble] = useState('');
  const chosen = FAULT_KINDS[kind];
  const set = (name) => (event) => setValues({ ...values, [name]: event.target.value });

  async function submit(event) {
    event.preventDefault();
    const match = {};
    if (values.number?.trim()) match.number = values.number.trim();
    if (values.event_type?.trim()) match.event_type = values.event_type.trim();
    const fault = { kind, ...readParameters(chosen, values), match };
    if (values.probability) fault.probability = Number(values.probability) / 100;
    if (values.count) fault.count = Number(values.count);
    const complaint = await onAdd(fault);
    setTrouble(complaint ?? '');
    if (complaint) return;
    setValues({});
    store.say(`Added: ${chosen.label}.`);
  }

  return html`
    <form class="new-fault" onSubmit=${submit} aria-labelledby="new-fault-title">
      <h3 id="new-fault-title">Add a fault</h3>
      <div class="fields">
        <label class="field wide">What goes wrong
          <select name="kind" value=${kind} onChange=${(event) => { setKind(event.target.value); setTrouble(''); }}>
            ${GROUPS.map((group) => html`
              <optgroup key=${group} label=${group}>
                ${Object.entries(FAULT_KINDS).filter(([, entry]) => entry.group === group).map(([name, entry]) => html`<option key=${name} value=${name}>${entry.label}</option>`)}
              </optgroup>`)}
          </select></label>
        ${chosen.parameters.map((parameter) => html`<${Parameter} key=${`${kind}.${parameter.name}`} parameter=${parameter} value=${values[parameter.name]} onInput=${set(parameter.name)} />`)}
        <label class="field">How often (empty: always)
          <input name="count" type="number" min="1" step="1" value=${values.count ?? ''} onInput=${set('count')} /></label>
        <label class="field">Chance in %
          <input name="probability" type="number" min="0" max="100" step="1" placeholder="100" value=${values.probability ?? ''} onInput=${set('probability')} /></label>
        <label class="field">Only this number
          <input name="number" placeholder="+15551234567" autocomplete="off" value=${values.number ?? ''} onInput=${set('number')} /></label>
        <label class="field">Only this event
          <input name="event_type" placeholder="message.received" list="event-types" autocomplete="off" value=${values.event_type ?? ''} onInput=${set('event_type')} /></label>
        <datalist id="event-types">
          <option value="message.received" /><option value="message.sent" /><option value="message.finalized" /><option value="message.read" />
        </datalist>
      </div>
      ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
      <div class="buttons"><button class="primary">Add</button></div>
    </form>`;
}

function Parameter({ parameter, value, onInput }) {
  const { name, label, type, choices, placeholder, required } = parameter;
  if (choices) {
    return html`
      <label class="field">${label}
        <select name=${name} value=${value ?? choices[0]} onChange=${onInput}>
          ${choices.map((choice) => html`<option key=${choice} value=${choice}>${choice.replace(/_/g, ' ')}</option>`)}
        </select></label>`;
  }
  return html`
    <label class="field">${label}
      <input name=${name} type=${type} required=${required} placeholder=${placeholder} min=${parameter.min} max=${parameter.max} step="any" value=${value ?? ''} onInput=${onInput} /></label>`;
}
