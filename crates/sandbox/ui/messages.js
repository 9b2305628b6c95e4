// Reads Telnyx's message payloads: who takes part, who speaks, how far a message has come.

/** The number of a party, which Telnyx writes as an object or, in `cc`, as plain text. */
export const numberOf = (party) => (typeof party === 'string' ? party : party?.phone_number ?? '');

/** Everybody who takes part in a message's conversation, sorted. */
export function participants(message) {
  const parties = [message.from, ...[message.to ?? []].flat(), ...(message.cc ?? [])];
  return [...new Set(parties.map(numberOf).filter(Boolean))].sort();
}

export const conversationKey = (people) => [...people].sort().join(' ');

export const sender = (message) => numberOf(message.from);

const PASSING = ['scheduled', 'queued', 'sending', 'sent'];

/** The status of a message's recipients; groups have several. */
export function statuses(message) {
  return [message.to ?? []].flat().map((party) => ({ number: numberOf(party), status: party?.status ?? '' }));
}

/** Orders what is told of a message by how late it is told, not by when it came. */
export function rank(message) {
  const ranks = statuses(message).map(({ status }) => (PASSING.includes(status) ? PASSING.indexOf(status) : PASSING.length));
  const known = ranks.length ? Math.min(...ranks) : 0;
  // Among equals the newer one wins, so that a read receipt or a late error still shows.
  return message.direction === 'inbound' ? 0 : known;
}

/** One word for how a message of the account stands, and whether that is good, bad or still open. */
export function receipt(message) {
  const all = statuses(message).map(({ status }) => status);
  const failed = all.filter((status) => /fail|unconfirmed|expired|cancel/.test(status));
  const word = (status) => status.replace(/_/g, ' ');
  if (failed.length) return { word: all.length > 1 ? `${failed.length} of ${all.length} failed` : word(failed[0]), state: 'bad' };
  const open = all.filter((status) => PASSING.includes(status));
  if (open.length) return { word: word(open[0]), state: 'open' };
  // Carriers tell nothing of messages to groups, which end as `unknown`.
  return { word: word(all[0] ?? ''), state: all.every((status) => status === 'unknown') ? '' : 'good' };
}
