// Words for how a delivery and its attempts stand.

const STATES = { delivered: 'good', failed: 'bad', dropped: 'bad', no_url: 'bad', pending: 'open' };

/** Good, bad or still open. */
export const stateOf = (delivery) => STATES[delivery.status] ?? 'open';

/** What came back from one attempt. */
export const outcome = (attempt) => attempt.response_status ?? attempt.error?.title ?? 'no answer';

/** How a delivery stands, in a few words. */
export function inWords(delivery) {
  const count = delivery.attempts.length;
  const tries = `${count} ${count === 1 ? 'attempt' : 'attempts'}`;
  const words = {
    pending: count ? `${tries}, will be tried again` : 'on its way',
    delivered: `delivered after ${tries}`,
    failed: `failed after ${tries}`,
    no_url: 'no URL is set',
    dropped: 'dropped',
  };
  return words[delivery.status] ?? delivery.status;
}

/** Status and, where there is one, the latest answer. */
export function pill(delivery) {
  const last = delivery.attempts.at(-1);
  const word = delivery.status.replace('no_url', 'no URL');
  if (!last) return word;
  const answer = last.response_status ?? outcome(last).toLowerCase();
  return delivery.status === 'pending' ? `retrying · ${answer}` : `${word} · ${answer}`;
}
