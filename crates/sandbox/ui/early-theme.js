// Sets the chosen theme before anything is painted; a module would come too late for that.
try {
  const theme = localStorage.getItem('inlet.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is closed to this page: the system's theme it is.
}
