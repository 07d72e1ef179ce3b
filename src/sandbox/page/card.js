// Draws card JSON (1.0 and 2.0) and text messages. Everything a message says
// becomes text nodes; links go to http(s) only; unknown elements show their tag.

import { el, icon, locale, word } from './words.js';

const COLOURS = new Set(['blue', 'wathet', 'turquoise', 'green', 'yellow', 'orange', 'red', 'carmine',
  'violet', 'purple', 'indigo', 'grey', 'lime', 'neutral', 'default']);
const colour = (name) => (COLOURS.has(name) ? name : 'default');
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

function decode(text) {
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]+);/gi, (whole, name) => {
    if (name[0] !== '#') return ENTITIES[name.toLowerCase()] ?? whole;
    const code = name[1].toLowerCase() === 'x' ? parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

const isWeb = (url) => /^https?:\/\//i.test(url ?? '');

function link(url, ...children) {
  if (!isWeb(url)) return el('span', {}, ...children);
  return el('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, ...children);
}

const attribute = (tag, name) => tag.match(new RegExp(`\\b${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`))
  ?.slice(1).find((v) => v !== undefined);

function mention(id, names) {
  const name = id === 'all' ? word('all') : names(id);
  return el('span', { class: 'at' }, `@${name}`);
}

// Patterns of inline markup, tried together; the earliest match wins.
const INLINE = [
  [/`([^`\n]+)`/, (m) => el('code', {}, decode(m[1]))],
  [/\*\*([^*]+?(?:\*[^*]+)*?)\*\*/, (m, draw) => el('strong', {}, draw(m[1]))],
  [/~~([^~]+)~~/, (m, draw) => el('s', {}, draw(m[1]))],
  [/\*([^*\s][^*\n]*)\*/, (m, draw) => el('em', {}, draw(m[1]))],
  [/\[([^\]\n]*)\]\(([^)\s]+)\)/, (m, draw) => link(decode(m[2]), draw(m[1]))],
  [/<at\s([^>]*)>(?:.*?<\/at>)?/, (m, draw, names) => {
    const ids = ['user_id', 'ids', 'id', 'email'].map((name) => attribute(m[1], name)).find((v) => v !== undefined);
    return (ids ?? '').split(',').map((id) => mention(id, names));
  }],
  [/<person\s([^>]*)>(?:.*?<\/person>)?/, (m, draw, names) => mention(attribute(m[1], 'id') ?? '', names)],
  [/<font\s([^>]*)>([\s\S]*?)<\/font>/, (m, draw) => {
    const wanted = attribute(m[1], 'color') ?? '';
    const node = el('span', { class: `ink ink-${colour(wanted)}` }, draw(m[2]));
    if (/^rgba?\([\d\s.,%]+\)$/.test(wanted)) node.style.color = wanted;
    return node;
  }],
  [/<text_tag\s([^>]*)>([\s\S]*?)<\/text_tag>/, (m, draw) =>
    tag(attribute(m[1], 'color'), draw(m[2]))],
  [/<link\s([^>]*)>([\s\S]*?)<\/link>/, (m, draw) => link(attribute(m[1], 'url'), draw(m[2]))],
  [/<a\s([^>]*)>([\s\S]*?)<\/a>/, (m, draw) => link(attribute(m[1], 'href'), draw(m[2]))],
  [/<local_datetime\s([^>]*?)\/?>(?:[^<]*<\/local_datetime>)?/, (m) => {
    const at = new Date(Number(attribute(m[1], 'millisecond')));
    return Number.isNaN(at.getTime()) ? '' : at.toLocaleString(locale());
  }],
  [/<(b|i|u|s)>([\s\S]*?)<\/\1>/, (m, draw) => el(m[1], {}, draw(m[2]))],
  [/<br\s*\/?>/, () => el('br')],
];

/** Inline markup as nodes. */
function inline(text, names, depth = 0) {
  const nodes = [];
  let rest = text;
  while (rest && depth < 8) {
    let best = null;
    for (const [pattern, build] of INLINE) {
      const match = pattern.exec(rest);
      if (match && (!best || match.index < best.match.index)) best = { match, build };
    }
    if (!best) break;
    if (best.match.index > 0) nodes.push(decode(rest.slice(0, best.match.index)));
    nodes.push(best.build(best.match, (inner) => inline(inner, names, depth + 1), names));
    rest = rest.slice(best.match.index + best.match[0].length);
  }
  if (rest) nodes.push(decode(rest));
  return nodes.flat();
}

const cells = (line) => line.trim().replace(/^\||\|$/g, '').split('|').map((c) => c.trim());

function tableOf(lines, names) {
  const [head, , ...rows] = lines;
  return el('div', { class: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, cells(head).map((c) => el('th', {}, inline(c, names))))),
    el('tbody', {}, rows.map((r) => el('tr', {}, cells(r).map((c) => el('td', {}, inline(c, names))))))));
}

/** Block markup: paragraphs, headings, lists, quotes, code, tables, rules. */
export function markdown(text, names) {
  const box = el('div', { class: 'md' });
  const lines = String(text ?? '').replace(/\r/g, '').split('\n');
  const take = (test) => { const got = []; while (lines.length && test(lines[0])) got.push(lines.shift()); return got; };
  while (lines.length) {
    const line = lines[0];
    if (line.startsWith('```')) {
      lines.shift();
      const code = take((l) => !l.startsWith('```'));
      lines.shift();
      box.append(el('pre', {}, el('code', {}, decode(code.join('\n')))));
    } else if (/^#{1,6} /.test(line)) {
      box.append(el('p', { class: 'heading' }, inline(lines.shift().replace(/^#+ /, ''), names)));
    } else if (/^\s*([-*]|\d+\.) /.test(line)) {
      const items = take((l) => /^\s*([-*]|\d+\.) /.test(l));
      const list = /^\s*\d/.test(line) ? 'ol' : 'ul';
      box.append(el(list, {}, items.map((i) => el('li', {}, inline(i.replace(/^\s*([-*]|\d+\.) /, ''), names)))));
    } else if (/^\s*\|.*\|\s*$/.test(line) && /^\s*\|?[\s:|-]+\|\s*$/.test(lines[1] ?? '')) {
      box.append(tableOf(take((l) => /^\s*\|.*\|\s*$/.test(l)), names));
    } else if (/^> ?/.test(line)) {
      const quoted = take((l) => /^> ?/.test(l)).map((l) => l.replace(/^> ?/, ''));
      box.append(el('blockquote', {}, inline(quoted.join('\n'), names)));
    } else if (/^\s*(---+|\*\*\*+)\s*$/.test(line)) {
      lines.shift();
      box.append(el('hr'));
    } else if (!line.trim()) {
      lines.shift();
    } else {
      const special = /^(```|#{1,6} |> ?|\s*([-*]|\d+\.) |\s*---+\s*$|\s*\|)/;
      const first = lines.shift();
      box.append(el('p', {}, inline([first, ...take((l) => l.trim() && !special.test(l))].join('\n'), names)));
    }
  }
  return box;
}

const tag = (name, ...children) => el('span', { class: `tag tint-${colour(name)}` }, ...children);

/** What each drawn button that calls back says and asks; whoever shows the card makes it work. */
export const callbacks = new WeakMap();

/** A text object: plain text, or markup. */
function textOf(object, names) {
  if (typeof object === 'string') return [object];
  if (!object) return [];
  return object.tag === 'lark_md' || object.tag === 'markdown' ? [markdown(object.content, names)] : [object.content ?? ''];
}

function button(part) {
  const open = (part.behaviors ?? []).find((b) => b.type === 'open_url');
  const url = open?.default_url || open?.pc_url || part.url || part.multi_url?.url;
  const kind = String(part.type ?? 'default').replace(/[^a-z_]/g, '');
  const look = `button is-${kind}${part.width === 'fill' ? ' fill' : ''}`;
  const label = textOf(part.text, () => '');
  if (isWeb(url)) return el('a', { class: look, href: url, target: '_blank', rel: 'noopener noreferrer' }, label);
  const node = el('button', { class: look, type: 'button', disabled: true }, label);
  const calls = (part.behaviors ?? []).some((b) => b.type === 'callback') || part.value !== undefined;
  if (calls && part.disabled !== true) {
    node.title = word('later');
    const ask = part.confirm && { title: part.confirm.title?.content, text: part.confirm.text?.content };
    callbacks.set(node, { label: part.text?.content ?? '', confirm: ask });
  }
  return node;
}

function column(part, names) {
  const node = el('div', { class: `column${part.width === 'weighted' ? ' weighted' : ''}` }, parts(part.elements, names));
  if (part.width === 'weighted') node.style.flexGrow = String(Math.min(5, Math.max(1, Number(part.weight) || 1)));
  if (part.background_style && part.background_style !== 'default') node.classList.add('filled');
  return node;
}

function table(part, names) {
  const columns = part.columns ?? [];
  const cell = (value) => {
    if (Array.isArray(value)) return value.map((v) => tag(v?.color, String(v?.text ?? v)));
    return inline(String(value ?? ''), names);
  };
  return el('div', { class: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, columns.map((c) => el('th', {}, c.display_name ?? c.name ?? '')))),
    el('tbody', {}, (part.rows ?? []).slice(0, part.page_size ?? 5).map((row) =>
      el('tr', {}, columns.map((c) => el('td', {}, cell(row?.[c.name]))))))));
}

function panel(part, names) {
  return el('details', { class: 'panel', open: part.expanded === true },
    el('summary', {}, textOf(part.header?.title, names)), parts(part.elements, names));
}

const DRAW = {
  markdown: (p, names) => {
    const node = markdown(p.content, names);
    if (p.text_size === 'notation') node.classList.add('small');
    if (/^heading/.test(p.text_size ?? '')) node.classList.add('large');
    if (p.text_align === 'center' || p.text_align === 'right') node.classList.add(p.text_align);
    return node;
  },
  div: (p, names) => el('div', { class: 'md' }, textOf(p.text, names),
    p.fields?.length ? el('div', { class: 'fields' }, p.fields.map((field) =>
      el('div', { class: field.is_short ? 'short' : '' }, textOf(field.text, names)))) : null),
  hr: () => el('hr'),
  note: (p, names) => el('div', { class: 'md small' }, (p.elements ?? []).map((e) => textOf(e, names))),
  img: (p) => el('div', { class: 'placeholder' }, textOf(p.alt).join('') || word('image')),
  chart: (p) => el('div', { class: 'placeholder chart' }, String(p.chart_spec?.title?.text ?? word('chart'))),
  column_set: (p, names) => {
    const mode = String(p.flex_mode ?? 'none').replace(/[^a-z]/g, '');
    return el('div', { class: `columns flex-${mode}` }, (p.columns ?? []).map((c) => column(c, names)));
  },
  button: (p) => button(p),
  action: (p, names) => el('div', { class: 'columns flex-flow' }, parts(p.actions, names)),
  overflow: () => el('span', { class: 'button is-default' }, '⋯'),
  collapsible_panel: panel,
  interactive_container: (p, names) => el('div', { class: 'filled' }, parts(p.elements, names)),
  form: (p, names) => el('div', {}, parts(p.elements, names)),
  table,
  person: (p, names) => mention(p.user_id ?? '', names),
  person_list: (p, names) => el('div', { class: 'md' }, (p.persons ?? []).map((x) => mention(x.id ?? '', names))),
};

function parts(list, names) {
  return (Array.isArray(list) ? list : []).map((part) => {
    const name = String(part?.tag);
    return Object.hasOwn(DRAW, name) ? DRAW[name](part, names) : el('div', { class: 'small' }, word('unknown', name));
  });
}

/** A card. `names` turns an id into a person's name. */
export function card(json, names) {
  const head = json?.header;
  const tone = colour(head?.template);
  const box = el('article', { class: 'card' });
  if (head) {
    const tags = (head.text_tag_list ?? []).slice(0, 3).map((t) => tag(t.color, textOf(t.text, names)));
    box.append(el('header', { class: `card-head tint-${tone}` },
      head.icon ? el('span', { class: 'head-icon' }, icon('horn')) : null,
      el('div', { class: 'card-title' }, el('strong', {}, textOf(head.title, names)), tags),
      head.subtitle ? el('div', { class: 'card-subtitle' }, textOf(head.subtitle, names)) : null));
  }
  box.append(el('div', { class: 'card-body' }, parts(json?.body?.elements ?? json?.elements, names)));
  return box;
}

/** A text message. */
export const text = (json, names) => el('div', { class: 'bubble' }, inline(String(json?.text ?? ''), names));
