// Phone numbers: invents them, reads what a person typed, and gives each a colour.

// Area codes of large cities; 555-0100 to 555-0199 are set aside for fiction in each. To the last ten of these
// messages fail by rule (docs/sandbox.md), so no phone gets one by chance.
const AREA_CODES = ['206', '212', '303', '312', '404', '415', '512', '617', '713', '786'];

const pick = (list) => list[Math.floor(Math.random() * list.length)];

/** A number that belongs to nobody and is not among those taken. */
export function inventNumber(taken) {
  for (let tries = 0; tries < 100; tries += 1) {
    const last = String(Math.floor(Math.random() * 90)).padStart(2, '0');
    const number = `+1${pick(AREA_CODES)}55501${last}`;
    if (!taken.includes(number)) return number;
  }
  return `+1${pick(AREA_CODES)}555${String(Date.now()).slice(-4)}`;
}

/** The number in E.164 without blanks and punctuation, or null. */
export function readNumber(text) {
  const number = text.replace(/[\s().-]/g, '');
  return /^\+[1-9]\d{5,14}$/.test(number) ? number : null;
}

/** Numbers out of a list that a person typed, and what is not a number in it. */
export function readNumbers(text) {
  const parts = text.split(/[,;\n]/).map((part) => part.trim()).filter(Boolean);
  const numbers = [...new Set(parts.map(readNumber).filter(Boolean))];
  return { numbers, wrong: parts.filter((part) => !readNumber(part)) };
}

/** One of six colours, always the same for a number. */
export function hue(number) {
  let sum = 0;
  for (const char of number) sum = (sum * 31 + char.charCodeAt(0)) % 9973;
  return `hue-${sum % 6}`;
}
