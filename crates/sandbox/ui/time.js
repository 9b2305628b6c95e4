// Times and durations as people read them.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

export const clockTime = (iso) => (iso ? CLOCK.format(new Date(iso)) : '');
export const dayAndTime = (iso) => (iso ? `${DAY.format(new Date(iso))}, ${clockTime(iso)}` : '');

/** How long an attempt took. */
export function took(attempt) {
  const ms = attempt.duration_ms ?? new Date(attempt.finished_at) - new Date(attempt.started_at);
  return duration(ms);
}

export function duration(ms) {
  if (!Number.isFinite(ms)) return '';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
