// Remembers small things in the browser, and copes when it may not.

function read(storage, name) {
  try {
    return JSON.parse(storage().getItem(`inlet.${name}`));
  } catch {
    return null;
  }
}

function write(storage, name, value) {
  try {
    if (value === null) storage().removeItem(`inlet.${name}`);
    else storage().setItem(`inlet.${name}`, JSON.stringify(value));
  } catch {
    // Full or forbidden: the page works on, it only forgets.
  }
}

// Looked up on each use, because touching forbidden storage throws.
const lasting = () => window.localStorage;
const passing = () => window.sessionStorage;

/** Kept until the browser's data are cleared. */
export const remember = (name, value) => write(lasting, name, value);
export const recall = (name) => read(lasting, name);

/** Kept as long as the tab: keys. */
export const rememberForTab = (name, value) => write(passing, name, value);
export const recallForTab = (name) => read(passing, name);
