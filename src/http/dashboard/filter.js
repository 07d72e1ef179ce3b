// What the filter box means.

const FIELDS = ['id', 'severity', 'rule', 'source'];

const bare = (text) => text.replaceAll('"', '');

/**
 * All words must occur; `name=value` is a label, or one of the incident's own
 * fields. Quotes keep words together and count for nothing themselves.
 */
export function matcher(text) {
  const terms = text.match(/[^\s"]*"[^"]*"|\S+/g) ?? [];
  const tests = terms.map((term) => {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(bare(term)) ?? [];
    if (name) return (i) => (Object.hasOwn(i.labels, name) && bare(i.labels[name]) === value) || (FIELDS.includes(name) && bare(i[name]) === value);
    const part = bare(term).toLowerCase();
    return (i) => haystack(i).includes(part);
  });
  return (i) => tests.every((test) => test(i));
}

function haystack(i) {
  const pairs = Object.entries(i.labels).map(([name, value]) => `${name}=${value}`);
  return bare([i.id, i.severity, i.title, i.summary, i.rule, i.source, ...pairs].join('\n')).toLowerCase();
}

/** The text, narrowed to incidents that have this label. */
export function narrowed(text, name, value) {
  const pair = bare(`${name}=${value}`);
  const term = /\s/.test(pair) ? `"${pair}"` : pair;
  return text.includes(term) ? text : `${text.trim()} ${term}`.trim();
}
