// The phones on the page: which there are, with whom each talks, what each has not read; remembered per account.

import { forgetPhone, watchPhone } from './live.js';
import { conversationKey, numberOf } from './messages.js';
import { inventNumber } from './numbers.js';
import { recall, remember } from './storage.js';
import { store } from './store.js';

/** Side by side there is no room for more, and each follows the stream. */
export const MAX_PHONES = 12;

class PhoneBook {
  /** `{number, others}`: the other participants of the conversation that a phone shows. */
  phones = [];
  #account = null;
  /** By phone and conversation: how many arrivals were seen. */
  #seen = new Map();

  /** Brings out an account's phones; the first visit finds one. */
  open(account) {
    if (this.#account === account.name) return;
    this.#account = account.name;
    this.phones.forEach(({ number }) => forgetPhone(number));
    const kept = recall(`phones.${account.name}`);
    this.phones = Array.isArray(kept) ? kept.filter((phone) => typeof phone?.number === 'string').slice(0, MAX_PHONES) : [];
    this.phones = this.phones.map(({ number, others }) => ({ number, others: Array.isArray(others) ? others : [] }));
    if (this.phones.length === 0) this.phones = [{ number: inventNumber([]), others: [] }];
    this.phones.forEach(({ number }) => watchPhone(number));
    this.#save();
  }

  /** Puts one more phone on the page; without a number it invents one. Returns why not, or null. */
  add(number = inventNumber(this.phones.map((phone) => phone.number))) {
    if (this.phones.some((phone) => phone.number === number)) return `${number} is on the page already.`;
    if (owns(number)) return `${number} belongs to the account; a phone needs a number of its own.`;
    if (this.phones.length >= MAX_PHONES) return `There is room for ${MAX_PHONES} phones; remove one first.`;
    this.phones = [...this.phones, { number, others: [] }];
    watchPhone(number);
    this.#save();
    return null;
  }

  remove(number) {
    this.phones = this.phones.filter((phone) => phone.number !== number);
    forgetPhone(number);
    this.#save();
  }

  /** Shows a conversation on a phone. */
  turnTo(number, others) {
    this.phones = this.phones.map((phone) => (phone.number === number ? { number, others } : phone));
    this.#save();
  }

  /** All conversations a phone can show: with each number of the account, and whatever else it takes part in. */
  conversationsOf(phone) {
    const choices = new Map();
    const offer = (others) => choices.set(conversationKey([phone.number, ...others]), others);
    ownNumbers().forEach((number) => offer([number]));
    for (const { participants } of store.conversations.values()) {
      if (participants.includes(phone.number)) offer(participants.filter((number) => number !== phone.number));
    }
    if (phone.others.length) offer(phone.others);
    return [...choices.values()];
  }

  /** The other participants a phone talks to: those chosen, else those who spoke last, else the account's first number. */
  othersOf(phone) {
    if (phone.others.length) return phone.others;
    const mine = [...store.conversations.values()].reverse().find(({ participants }) => participants.includes(phone.number));
    return mine ? mine.participants.filter((number) => number !== phone.number) : ownNumbers().slice(0, 1);
  }

  markSeen(phone, conversation) {
    if (conversation) this.#seen.set(`${phone.number}|${conversation.key}`, conversation.arrivals);
  }

  unread(phone, others) {
    const conversation = store.conversations.get(conversationKey([phone.number, ...others]));
    return (conversation?.arrivals ?? 0) - (this.#seen.get(`${phone.number}|${conversation?.key}`) ?? 0);
  }

  /** Numbers that talk to the account and have no phone here, latest first. */
  strangers() {
    const here = new Set([...this.phones.map(({ number }) => number), ...ownNumbers()]);
    const found = new Set();
    for (const { messages } of [...store.conversations.values()].reverse()) {
      const latest = [...messages.values()].at(-1);
      const parties = latest ? [latest.from, ...[latest.to].flat(), ...(latest.cc ?? [])].map(numberOf) : [];
      parties.filter((number) => /^\+/.test(number) && !here.has(number)).forEach((number) => found.add(number));
    }
    return [...found];
  }

  #save() {
    remember(`phones.${this.#account}`, this.phones);
    store.set({});
  }
}

export const ownNumbers = () => [...(store.account?.numbers ?? []), ...(store.account?.short_codes ?? [])].map(numberOf);
export const owns = (number) => ownNumbers().includes(number);

export const book = new PhoneBook();
