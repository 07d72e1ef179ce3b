// How incidents look: elements made from the API's JSON. Text is always text.

import { duration, happening, now, offset, rung, time, word, wordOf, zone } from './dashboard-text.js';

const LABELS = 6; // shown in a list
// Severities are named by the rules; these words are common.
const HUES = {
  red: ['critical', 'page', 'fatal', 'emergency', 'disaster', 'high', 'p0', 'p1'],
  orange: ['warning', 'warn', 'error', 'major', 'medium', 'average', 'p2', 'p3'],
  blue: ['info', 'information', 'notice', 'minor', 'low', 'none', 'p4', 'p5'],
};

/** An element with attributes and children; text is always text. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(key, value);
  node.append(...children.flat().filter((child) => child !== null && child !== ''));
  return node;
}

/** Sets only what differs, so that nothing flickers and readers are not told twice. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const hue = (severity) => Object.keys(HUES).find((name) => HUES[name].includes(severity.toLowerCase())) ?? 'violet';

/** A time with its zone at hand; `key` names the words around it. */
const moment = (at, key = 'moment') => {
  const text = time(Date.parse(at), now());
  return el('time', { datetime: at, title: `${text} ${zone(Date.parse(at))}` }, word(key, { time: text }));
};
const lasted = (i) => duration(Date.parse(i.resolved_at) - Date.parse(i.opened_at), true);
/** Text that changes with the time: see `tick`. */
const ticking = (kind, at) => el('span', { 'data-tick': kind, 'data-at': at });

const TICKS = {
  open: (at) => word('openFor', { duration: duration(now() - at) }),
  first: (at) => word('first', { when: until(at) }),
  next: (at) => word('next', { when: until(at) }),
  length: (at) => duration(now() - at),
};
const until = (at) => (at > now() ? word('in', { duration: duration(at - now() + 999) }) : word('due'));

/** Brings all such texts up to date. */
export function tick() {
  for (const node of document.querySelectorAll('[data-tick]')) say(node, TICKS[node.dataset.tick](Date.parse(node.dataset.at)));
}

function upcoming(i) {
  if (i.resolved_at) return null;
  return i.next_at ? ticking(i.step ? 'next' : 'first', i.next_at) : word('noNext');
}

function facts(i) {
  const parts = i.resolved_at
    ? [moment(i.resolved_at, 'over'), word('lasted', { duration: lasted(i) })]
    : [ticking('open', i.opened_at), word('firing', { n: i.firing }), i.resolved ? word('recovered', { n: i.resolved }) : null,
      i.step ? rung(i) : null, upcoming(i)];
  return el('p', { class: 'facts' }, parts.filter(Boolean).map((part) => el('span', {}, part)));
}

/** Labels that say more than title and severity do. */
function labels(i) {
  const telling = Object.entries(i.labels).filter(([name, value]) =>
    !(name === 'alertname' && value === i.title) && !(name === 'severity' && value === i.severity));
  if (!telling.length) return null;
  const shown = telling.slice(0, LABELS).map(([name, value]) => el('li', {}, el('b', {}, name), ` ${value}`));
  const rest = telling.length - shown.length;
  return el('ul', { class: 'labels', 'aria-label': word('labels') }, shown, rest ? el('li', {}, word('moreLabels', { n: rest })) : null);
}

/** An incident in a list. */
export function row(i, isChosen) {
  const current = isChosen ? 'true' : null;
  return el('li', { class: `incident ${i.resolved_at ? 'over' : hue(i.severity)}` },
    el('div', { class: 'head' },
      el('span', { class: `tag ${hue(i.severity)}` }, i.severity),
      el('h3', {}, el('a', { href: `#${i.id}`, 'aria-current': current }, i.title || i.id)),
      el('span', { class: 'id' }, i.id)),
    i.summary ? el('p', { class: 'summary' }, i.summary) : null,
    i.resolved_at ? null : labels(i),
    facts(i));
}

function labelButton([name, value], narrow) {
  const label = `${name}=${value}`;
  const button = el('button', { type: 'button', 'data-key': label, title: word('labelHint', { label }), 'aria-label': word('labelHint', { label }) }, el('b', {}, name), ` ${value}`);
  button.addEventListener('click', () => narrow(name, value));
  return el('li', {}, button);
}

function moments(i) {
  const began = Date.parse(i.opened_at);
  return el('ol', { class: 'timeline' }, i.timeline.map((entry) => {
    const { text, more, tone } = happening(entry);
    const after = duration(Date.parse(entry.at) - began, true);
    return el('li', { class: tone },
      el('div', { class: 'when' }, moment(entry.at), el('span', { title: word('sinceOpening', { duration: after }) }, ` +${after}`)),
      el('div', {}, el('p', {}, text), more.map((line) => el('p', { class: 'lesser' }, line))));
  }));
}

/** All about an incident; `narrow` takes the name and value of a label that is pressed. */
export function wholeIncident(i, narrow) {
  const pair = (key, ...value) => [el('dt', {}, word(key)), el('dd', {}, ...value)];
  const alerts = [word('firing', { n: i.firing }), i.resolved ? word('recovered', { n: i.resolved }) : ''].filter(Boolean).join(' · ');
  const ladder = [i.step ? rung(i) : null, upcoming(i)].filter(Boolean);
  return el('div', {},
    el('p', { class: 'tags' },
      el('span', { class: `tag ${hue(i.severity)}` }, i.severity),
      el('span', { class: `tag ${i.resolved_at ? 'green' : 'red'}` }, wordOf('state', i.state)),
      el('span', { class: 'id' }, i.id)),
    i.summary ? el('p', { class: 'summary' }, i.summary) : null,
    el('dl', {},
      pair('openedAt', moment(i.opened_at), ` ${offset(Date.parse(i.opened_at))}`),
      i.resolved_at ? pair('resolvedAt', moment(i.resolved_at), ` ${offset(Date.parse(i.resolved_at))}`) : [],
      pair('length', i.resolved_at ? lasted(i) : ticking('length', i.opened_at)),
      pair('alerts', alerts),
      ladder.length ? pair('ladder', ladder.flatMap((part, n) => (n ? [' · ', part] : [part]))) : [],
      pair('rule', i.rule), pair('source', i.source)),
    el('h3', {}, word('timeline')), moments(i),
    Object.keys(i.labels).length ? [el('h3', {}, word('labels')), el('ul', { class: 'labels' }, Object.entries(i.labels).map((pair) => labelButton(pair, narrow)))] : []);
}
