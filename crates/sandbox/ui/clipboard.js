// Puts text on the clipboard, where the browser allows it.

/** Whether it worked. Pages that are neither on loopback nor on https have no clipboard. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
