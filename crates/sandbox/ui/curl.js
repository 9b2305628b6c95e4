// A shell command that sends a delivery again and verifies whenever it is run.

/** Text as one word of a POSIX shell. */
export const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * The sandbox signs at the time the command runs: body and signature come from it into a private folder, because a
 * body in a shell variable would lose its last newlines. `key` is named only where the control API asks for one.
 */
export function curlCommand(delivery, account, key) {
  const receiver = delivery.attempts.at(-1)?.url ?? delivery.url ?? account.webhook_url ?? 'http://localhost:3000/webhooks';
  const signed = `${window.location.origin}/sandbox/v1/deliveries/${encodeURIComponent(delivery.event_id)}/signed?sequence=${delivery.sequence}`;
  const authorization = key === null ? '' : ` -H ${quoted(`Authorization: Bearer ${key}`)}`;
  return `(
  dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT &&
  curl -fsS -D "$dir/signed" -o "$dir/body"${authorization} ${quoted(signed)} &&
  tr -d '\\r' <"$dir/signed" | grep -iE '^(x-)?telnyx-' >"$dir/headers" &&
  curl -sS -i ${quoted(receiver)} \\
    -H 'content-type: application/json' -H @"$dir/headers" \\
    --data-binary @"$dir/body"
)
`;
}
