// The kinds of faults the sandbox knows, with words and fields for each.

const number = (name, label, fallback, more = {}) => ({ name, label, type: 'number', fallback, placeholder: fallback === undefined ? '' : String(fallback), required: fallback === undefined, min: 0, ...more });
const text = (name, label, more = {}) => ({ name, label, type: 'text', ...more });

export const FAULT_KINDS = {
  webhook_duplicate: { group: 'Webhooks', label: 'Duplicate: the event comes several times', parameters: [number('copies', 'Further copies', 1)] },
  webhook_delay: { group: 'Webhooks', label: 'Delay: the event comes late', parameters: [number('delay_ms', 'Later by (ms)', 5000)] },
  webhook_drop: { group: 'Webhooks', label: 'Drop: the event never comes', parameters: [] },
  webhook_reorder: { group: 'Webhooks', label: 'Reorder: the event comes after the next one', parameters: [number('max_wait_ms', 'Waits at most (ms)', 2000)] },
  wrong_signature: { group: 'Webhooks', label: 'Signed with a stranger’s key', parameters: [] },
  stale_timestamp: { group: 'Webhooks', label: 'Signed with an old time', parameters: [number('seconds', 'Older by (s)', 3600)] },
  future_timestamp: { group: 'Webhooks', label: 'Signed with a time to come', parameters: [number('seconds', 'Ahead by (s)', 3600)] },
  altered_body: { group: 'Webhooks', label: 'Body altered after signing', parameters: [] },
  api_status: { group: 'Telnyx API', label: 'The API answers with an error', parameters: [number('status', 'HTTP status', 500, { min: 400, max: 599 }), text('code', 'Telnyx code (optional)'), number('retry_after_seconds', 'Retry-After (s, optional)', undefined, { required: false })] },
  api_delay: { group: 'Telnyx API', label: 'The API answers late', parameters: [number('delay_ms', 'Later by (ms)', 5000)] },
  api_cut: { group: 'Telnyx API', label: 'The API cuts the connection and does nothing', parameters: [] },
  api_hang: { group: 'Telnyx API', label: 'The API never answers and does nothing', parameters: [] },
  api_drop_after_accept: { group: 'Telnyx API', label: 'The API sends, then cuts the connection', parameters: [] },
  api_hang_after_accept: { group: 'Telnyx API', label: 'The API sends, then never answers', parameters: [] },
  carrier_failure: { group: 'Carrier', label: 'The carrier does not deliver', parameters: [{ name: 'outcome', label: 'How it ends', choices: ['delivery_failed', 'sending_failed', 'delivery_unconfirmed'] }, text('code', 'Telnyx code', { fallback: '40008', placeholder: '40008' })] },
  block_stop: { group: 'Carrier', label: 'Blocked, as if the number had texted STOP', parameters: [] },
  media_status: { group: 'Media', label: 'Pictures are gone', parameters: [number('status', 'HTTP status', 404, { min: 400, max: 599 })] },
  media_slow: { group: 'Media', label: 'Pictures come slowly', parameters: [number('bytes_per_second', 'Bytes a second', 1000, { min: 1 })] },
  media_truncate: { group: 'Media', label: 'Pictures break off half-way', parameters: [] },
  media_corrupt: { group: 'Media', label: 'Pictures have a wrong digest', parameters: [] },
  media_redirect: { group: 'Media', label: 'Pictures redirect elsewhere', parameters: [{ name: 'url', label: 'Where to', type: 'url', required: true, placeholder: 'http://…' }] },
};

/** A parameter's name as words. */
export const parameterName = (name) => name.replace(/_ms$/, ' (ms)').replace(/_/g, ' ');

/** The fields of a kind as the API takes them; what is left empty takes its usual value or is left out. */
export function readParameters(kind, values) {
  const read = kind.parameters.map(({ name, type, choices, fallback }) => {
    const given = values[name] === undefined || values[name] === '' ? fallback ?? choices?.[0] : values[name];
    return [name, type === 'number' && given !== undefined ? Number(given) : given];
  });
  return Object.fromEntries(read.filter(([, value]) => value !== undefined));
}
