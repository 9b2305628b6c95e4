// The one door to the vendored libraries: templates, rendering, hooks.

import { h } from './vendor/preact.js';
import htm from './vendor/htm.js';

export const html = htm.bind(h);
export { render } from './vendor/preact.js';
export { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from './vendor/hooks.js';
