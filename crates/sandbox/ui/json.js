// Finds where a text stops being JSON (browsers' own messages differ, and some name no place), and spreads JSON out.

/** The text with two blanks a level and nothing else changed, or null when it is not JSON. */
export function pretty(text) {
  if (findError(text)) return null;
  // By hand, because numbers and escapes must stay as they were written.
  let level = 0;
  let result = '';
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  tokens.forEach((token, index) => {
    const closes = token === '}' || token === ']';
    const isEmpty = closes && (tokens[index - 1] === '{' || tokens[index - 1] === '[');
    if (closes) level -= 1;
    const opensLine = (closes && !isEmpty) || (!closes && ['{', '[', ','].includes(tokens[index - 1]));
    if (opensLine) result += `\n${'  '.repeat(level)}`;
    result += token === ':' ? ': ' : token;
    if (token === '{' || token === '[') level += 1;
  });
  return result;
}

/** Null for JSON, else `{offset, line, column, reason}` of the first thing wrong with it. */
export function findError(text) {
  const parser = new Parser(text);
  try {
    parser.document();
    return null;
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    const before = text.slice(0, error.offset);
    const line = before.split('\n').length;
    return { offset: error.offset, line, column: error.offset - before.lastIndexOf('\n'), reason: error.message };
  }
}

class Wrong extends Error {
  constructor(offset, reason) {
    super(reason);
    this.offset = offset;
  }
}

// Deeper than any webhook, and far from the end of the stack.
const MAX_DEPTH = 500;

/** Checks RFC 8259 and builds nothing. */
class Parser {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.depth = 0;
  }

  document() {
    this.value();
    this.blank();
    if (this.at < this.text.length) this.fail('nothing may follow the value');
  }

  value() {
    this.blank();
    const char = this.text[this.at];
    if (char === '{') this.list('}', () => this.member());
    else if (char === '[') this.list(']', () => this.value());
    else if (char === '"') this.string();
    else if (!this.take(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y)) this.fail('a value is expected here');
  }

  list(end, item) {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) this.fail(`it is nested deeper than ${MAX_DEPTH} levels`);
    this.at += 1;
    this.blank();
    if (this.text[this.at] !== end) {
      item();
      for (this.blank(); this.text[this.at] === ','; this.blank()) {
        this.at += 1;
        item();
      }
      if (this.text[this.at] !== end) this.fail(`"," or "${end}" is expected here`);
    }
    this.at += 1;
    this.depth -= 1;
  }

  member() {
    this.blank();
    if (this.text[this.at] !== '"') this.fail('a name in double quotes is expected here');
    this.string();
    this.blank();
    if (this.text[this.at] !== ':') this.fail('":" is expected here');
    this.at += 1;
    this.value();
  }

  string() {
    this.at += 1;
    for (;;) {
      this.take(/[^"\\\u0000-\u001f]+/y);
      const char = this.text[this.at];
      if (char === '"') break;
      if (char === undefined) this.fail('the string does not end');
      if (char !== '\\') this.fail('a line break or control character must be escaped in a string');
      if (!this.take(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y)) this.fail('this escape is not one of JSON');
    }
    this.at += 1;
  }

  blank() {
    this.take(/[ \t\r\n]+/y);
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found !== null;
  }

  fail(reason) {
    throw new Wrong(this.at, this.at >= this.text.length && reason !== 'the string does not end' ? `the text ends, but ${reason}` : reason);
  }
}
