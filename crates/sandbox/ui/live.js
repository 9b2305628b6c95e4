// Keeps the store true to the sandbox: loads it, follows the stream, loads again after a loss or a reset.

import * as api from './api.js';
import { recall, remember } from './storage.js';
import { LIMITS, store } from './store.js';
import { follow } from './stream.js';

/** The latest messages of everybody; each phone asks for its own besides. */
const RECENT_MESSAGES = 200;

let stop = () => {};
/** Events that come while the lists are being loaded; null when they are applied at once. */
let waiting = null;
/** Counts loads, so that only the latest one is believed. */
let generation = 0;
const phones = new Set();

/** Connects, or connects anew after a key or an account was chosen. */
export async function connect() {
  stop();
  const mine = (generation += 1);
  store.set({ connection: 'connecting', needsKey: false });
  store.empty();
  try {
    await chooseAccount();
  } catch (error) {
    if (mine !== generation) return;
    if (error.status === 401) return void store.set({ needsKey: true });
    store.set({ connection: 'lost' });
    const timer = setTimeout(connect, 1000);
    stop = () => clearTimeout(timer);
    return;
  }
  if (mine !== generation) return;
  stop = follow({ open: load, event: hear, lost: () => store.set({ connection: 'lost' }), refused: keyRefused });
}

// A restarted sandbox may know the account no more; the list of accounts says which there are.
function keyRefused() {
  if (api.hasAccountKey()) connect();
  else store.set({ needsKey: true });
}

/** Shows another account. */
export function switchAccount(name) {
  remember('account', name);
  return connect();
}

/** Loads a phone's own messages, now and after every new connection. */
export async function watchPhone(number) {
  if (phones.has(number)) return;
  phones.add(number);
  if (store.connection !== 'live') return;
  try {
    (await messagesOf(number)).forEach((message) => store.takeMessage(message));
  } catch (error) {
    if (error.status !== 0) store.complain(error);
  }
}

export function forgetPhone(number) {
  phones.delete(number);
}

async function messagesOf(number) {
  return (await api.messages({ direction: 'any', party: number, limit: LIMITS.messagesPerConversation })).data;
}

async function chooseAccount() {
  api.useAccountKey(null);
  const all = (await api.accounts()).data;
  const wanted = recall('account');
  const account = all.find(({ name }) => name === wanted) ?? all[0];
  const isDefault = account.name === 'default';
  if (!isDefault) api.useAccountKey(account.api_key);
  store.set({ accounts: all, account });
}

async function load() {
  const mine = (generation += 1);
  waiting = [];
  try {
    const lists = await Promise.all([
      api.accounts(),
      api.deliveries({ limit: LIMITS.deliveries }),
      api.messages({ direction: 'any', limit: RECENT_MESSAGES }),
      ...[...phones].map(messagesOf),
    ]);
    if (mine === generation) show(...lists);
  } catch (error) {
    if (mine === generation && error.status !== 0) store.complain(error);
  } finally {
    if (mine === generation) {
      const heard = waiting;
      waiting = null;
      heard.forEach(apply);
    }
  }
}

function show(accounts, deliveries, recent, ...ofPhones) {
  store.empty();
  store.set({
    accounts: accounts.data,
    account: accounts.data.find(({ name }) => name === store.account.name) ?? accounts.data[0],
    connection: 'live',
    deliveriesHidden: deliveries.data.length >= LIMITS.deliveries || deliveries.dropped > 0,
  });
  deliveries.data.forEach((delivery) => store.takeDelivery(delivery));
  [...ofPhones, recent.data].flat().forEach((message) => store.takeMessage(message));
}

function hear(event) {
  if (waiting) waiting.push(event);
  else apply(event);
}

function apply({ type, data }) {
  let content;
  try {
    content = JSON.parse(data);
  } catch {
    return store.complain(new Error(`The stream sent a ${type} that is not JSON.`));
  }
  if (type === 'message') store.takeMessage(content, true);
  else if (type === 'delivery') store.takeDelivery(content);
  else if (type === 'reset') load();
}
