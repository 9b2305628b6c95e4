// The few pictograms of the page, drawn with strokes of the text's own colour.

import { html } from './dom.js';

const PATHS = {
  add: 'M10 4v12M4 10h12',
  attach: 'M15.5 9.5 9.8 15.2a3.6 3.6 0 0 1-5.1-5.1l6-6a2.4 2.4 0 0 1 3.4 3.4l-6 6a1.2 1.2 0 0 1-1.7-1.7l5.5-5.5',
  back: 'M12 4 6 10l6 6',
  close: 'M5 5l10 10M15 5 5 15',
  group: 'M7 9a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM2.5 16v-1A3.5 3.5 0 0 1 6 11.500h2A3.500 3.500 0 0 1 11.500 15v1M13 9.500a2 2 0 1 0 0-4M14 12a3.500 3.500 0 0 1 3.500 3.500V16',
  help: 'M7.500 7.500a2.500 2.500 0 1 1 3.600 2.200c-.8.4-1.100.9-1.100 1.800M10 14.500v.1',
  send: 'M10 16V4M5 9l5-5 5 5',
  auto: 'M10 3a7 7 0 1 0 0 14Zm0 0a7 7 0 0 1 0 14',
  light: 'M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7ZM10 1.500v2M10 16.500v2M1.500 10h2M16.500 10h2M4 4l1.400 1.400M14.600 14.600 16 16M16 4l-1.400 1.400M5.400 14.600 4 16',
  dark: 'M16.500 12A7 7 0 0 1 8 3.500a7 7 0 1 0 8.500 8.500Z',
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
