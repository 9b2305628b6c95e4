// Light, dark, or as the system says; see also early-theme.js, which reads the choice.

const THEMES = ['auto', 'light', 'dark'];

export function currentTheme() {
  return document.documentElement.dataset.theme ?? 'auto';
}

/** Moves on to the next theme and returns its name. */
export function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    // Plain text, not JSON: the early script compares it as it is.
    localStorage.setItem('inlet.theme', theme);
  } catch {
    // It holds until the page is closed.
  }
  return theme;
}
