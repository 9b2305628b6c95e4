// Holds what the page knows of one account, within bounds, and tells who looks at it when something changed.

import { useEffect, useReducer } from './dom.js';
import { conversationKey, participants, rank } from './messages.js';

/** What is kept; whatever lies beyond is said on the page, never dropped in silence. */
export const LIMITS = { messagesPerConversation: 500, messages: 5000, deliveries: 500 };

class Store {
  /** `connecting`, `live` or `lost`. */
  connection = 'connecting';
  needsKey = false;
  accounts = [];
  account = null;
  /** By key: `{key, participants, messages: Map, hidden, arrivals}`; replaced when changed, never altered. */
  conversations = new Map();
  /** By sequence, oldest first; each replaced when changed. */
  deliveries = new Map();
  deliveriesHidden = false;
  /** The latest words for the person: `{kind: 'info' | 'error', text}`. */
  notice = null;

  #listeners = new Set();
  #announced = false;
  #messageCount = 0;
  #sequencesByMessage = new Map();

  /** Changes fields that are shown. */
  set(fields) {
    Object.assign(this, fields);
    this.#changed();
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  say(text) {
    this.set({ notice: { kind: 'info', text } });
  }

  complain(error) {
    if (error.status === 401) this.set({ needsKey: true });
    else this.set({ notice: { kind: 'error', text: error.message } });
  }

  /** Forgets all messages and deliveries. */
  empty() {
    this.conversations = new Map();
    this.deliveries = new Map();
    this.deliveriesHidden = false;
    this.#messageCount = 0;
    this.#sequencesByMessage = new Map();
    this.#changed();
  }

  /** Takes a message as Telnyx shows it; `isNew` when it came live and nobody has seen it. */
  takeMessage(message, isNew = false) {
    const people = participants(message);
    const key = conversationKey(people);
    const before = this.conversations.get(key) ?? { key, participants: people, messages: new Map(), hidden: 0, arrivals: 0 };
    const known = before.messages.get(message.id);
    // What comes late must not turn `delivered` back into `sent`.
    if (known && rank(known) > rank(message)) return;
    const messages = new Map(before.messages);
    messages.set(message.id, message);
    if (!known) this.#messageCount += 1;
    const conversation = { ...before, messages, arrivals: before.arrivals + (isNew && !known ? 1 : 0) };
    if (messages.size > LIMITS.messagesPerConversation) this.#dropOldest(conversation);
    // Put last, so that the conversations lie in the order of their latest message.
    if (!known) this.conversations.delete(key);
    this.conversations.set(key, conversation);
    this.#dropQuietConversations();
    this.#changed();
  }

  /** Takes a delivery as the list shows it. */
  takeDelivery(delivery) {
    this.deliveries.set(delivery.sequence, delivery);
    if (delivery.message_id) {
      const sequences = this.#sequencesByMessage.get(delivery.message_id) ?? new Set();
      this.#sequencesByMessage.set(delivery.message_id, sequences.add(delivery.sequence));
    }
    while (this.deliveries.size > LIMITS.deliveries) this.#dropOldestDelivery();
    const payload = delivery.data?.payload;
    // Receipts tell how a message of the account ended, should the message itself not have come again.
    if (payload?.direction === 'outbound') this.#takeReceipt(payload);
    this.#changed();
  }

  /** The deliveries of the event that told the receiver of a message, oldest first. */
  deliveriesOf(messageId, eventType = 'message.received') {
    const sequences = [...(this.#sequencesByMessage.get(messageId) ?? [])].sort((a, b) => a - b);
    return sequences.map((sequence) => this.deliveries.get(sequence)).filter((delivery) => delivery?.event_type === eventType);
  }

  #takeReceipt(payload) {
    const conversation = this.conversations.get(conversationKey(participants(payload)));
    if (conversation?.messages.has(payload.id)) this.takeMessage(payload);
  }

  #dropOldest(conversation) {
    const [oldest] = conversation.messages.keys();
    conversation.messages.delete(oldest);
    conversation.hidden += 1;
    this.#messageCount -= 1;
  }

  #dropQuietConversations() {
    while (this.#messageCount > LIMITS.messages) {
      const [key, conversation] = this.conversations.entries().next().value;
      this.#messageCount -= conversation.messages.size;
      this.conversations.delete(key);
    }
  }

  #dropOldestDelivery() {
    const [sequence, delivery] = this.deliveries.entries().next().value;
    this.deliveries.delete(sequence);
    this.deliveriesHidden = true;
    const sequences = this.#sequencesByMessage.get(delivery.message_id);
    sequences?.delete(sequence);
    if (sequences?.size === 0) this.#sequencesByMessage.delete(delivery.message_id);
  }

  // A burst of events is one repaint. A hidden tab gets no animation frames, so it has a slow timer.
  #changed() {
    if (this.#announced) return;
    this.#announced = true;
    const announce = () => {
      this.#announced = false;
      for (const listener of this.#listeners) listener();
    };
    if (document.visibilityState === 'visible') requestAnimationFrame(announce);
    else setTimeout(announce, 250);
  }
}

export const store = new Store();

/** The store, in a component that is drawn again whenever it changes. */
export function useStore() {
  const [, redraw] = useReducer((count) => count + 1, 0);
  useEffect(() => store.subscribe(redraw), []);
  return store;
}
