// Calls the control API, with the key where one is needed, and turns its problems into errors.

import { recallForTab, rememberForTab } from './storage.js';

const CONTROL = '/sandbox/v1';

/** A call that was refused or did not arrive. Status 0: the sandbox was not reached. */
export class ApiError extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

// On loopback no key is needed for the default account; beyond it a person is asked for one.
let personsKey = recallForTab('key');
let accountKey = null;

export function useKey(key) {
  personsKey = key;
  rememberForTab('key', key);
}

/** Speaks for one account from now on; null stands for the default one. */
export function useAccountKey(key) {
  accountKey = key;
}

export const hasAccountKey = () => accountKey !== null;
export const currentKey = () => accountKey ?? personsKey;

export function keyHeaders(key = currentKey()) {
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

export const url = (path) => `${CONTROL}${path}`;

async function call(method, path, { body, key } = {}) {
  const headers = { ...keyHeaders(key), accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store' });
  } catch {
    throw new ApiError(0, 'unreachable', 'The sandbox does not answer. Is it still running?');
  }
  if (!response.ok) throw await problem(response);
  return response.status === 204 ? null : response.json();
}

async function problem(response) {
  const answer = await response.json().catch(() => ({}));
  const telnyx = answer.errors?.[0];
  const detail = answer.detail ?? telnyx?.detail ?? answer.title ?? `The sandbox answered ${response.status}.`;
  return new ApiError(response.status, answer.code ?? telnyx?.code ?? '', detail);
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.length ? `?${new URLSearchParams(given)}` : '';
}

const id = encodeURIComponent;
const get = (path, values = {}) => call('GET', url(path) + query(values));
const post = (path, body) => call('POST', url(path), { body });

// The list of accounts is asked for with the person's key, whichever account is shown.
export const accounts = () => call('GET', url('/accounts'), { key: personsKey });
export const account = () => get('/account');
export const sendText = (text) => post('/texts', text);
export const sendEvent = (event) => post('/events', event);
export const messages = (values) => get('/messages', values);
export const deliveries = (values) => get('/deliveries', values);
// An event that was sent again has several deliveries; the sequence says which is meant.
export const delivery = ({ event_id, sequence }) => get(`/deliveries/${id(event_id)}`, { sequence });
export const resend = ({ event_id, sequence }) => post(`/deliveries/${id(event_id)}/resend${query({ sequence })}`);
export const faults = () => get('/faults');
export const addFault = (fault) => post('/faults', fault);
export const replaceFaults = (data) => call('PUT', url('/faults'), { body: { data } });
export const clearFaults = () => call('DELETE', url('/faults'));
export const clock = () => get('/clock');
export const advanceClock = (seconds) => post('/clock/advance', { seconds });
export const reset = (restartIds) => post('/reset', { restart_ids: restartIds });

/** Points the account's default profile elsewhere, through Telnyx's own API. */
export const setWebhookUrl = (account, webhookUrl) =>
  call('PATCH', `/v2/messaging_profiles/${id(account.messaging_profile_id)}`, { body: { webhook_url: webhookUrl }, key: account.api_key });
