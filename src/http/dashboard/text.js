// Words, times and durations as the reader wants them.

import WORDS from './dashboard-words.js';

const REMEMBERED = 'larkhorn.language';

let language = remembered() ?? (navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en');
let formats = null;
let skew = 0; // how far the pager's clock is ahead of this machine's

function remembered() {
  try {
    const name = localStorage.getItem(REMEMBERED);
    return Object.hasOwn(WORDS, name) ? name : null;
  } catch {
    return null; // storage may be switched off
  }
}

/** The time as the pager sees it. */
export const now = () => Date.now() + skew;

/** Takes the `Date` of an answer; it counts in whole seconds, so less than two is no difference. */
export function adjustClock(date) {
  const ahead = Date.parse(date) - Date.now();
  if (!Number.isNaN(ahead)) skew = Math.abs(ahead) < 2_000 ? 0 : ahead;
}

export const currentLanguage = () => language;

export function switchLanguage() {
  language = Object.keys(WORDS).find((name) => name !== language);
  formats = null;
  try {
    localStorage.setItem(REMEMBERED, language);
  } catch {
    // then it holds until the page is closed
  }
}

/** The words for a key, `{name}` replaced by the fact of that name. */
export function word(key, facts = {}) {
  return filled(WORDS[language][key], facts);
}

/** One word of a table such as the states; one that is unknown stands for itself. */
export function wordOf(table, key) {
  const words = WORDS[language][table];
  return Object.hasOwn(words, key) ? words[key] : String(key);
}

/** The step with its round, where there was more than one. */
export const rung = ({ step, round }) => word(round > 1 ? 'rungRound' : 'rung', { step, round });

const filled = (text, facts) => text.replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * What a timeline entry says: `{ text, more, tone }`, where `more` holds lines
 * of lesser weight and `tone` is one of bad, loud, good, plain.
 */
export function happening(entry) {
  const { at, kind, ...facts } = entry;
  const words = WORDS[language].happenings;
  if (!Object.hasOwn(words, kind)) {
    return { text: kind, more: Object.entries(facts).map(([name, value]) => `${name}: ${said(value)}`), tone: 'plain' };
  }
  const known = { ...facts };
  for (const [name, value] of Object.entries(facts)) known[name] = said(value);
  if (facts.urgent) known.urgent = wordOf('urgent', facts.urgent);
  if (facts.wanted) known.wanted = wordOf('urgent', facts.wanted);
  if (facts.budget) known.budget = wordOf('budget', facts.budget);
  if (facts.what) known.what = wordOf('what', facts.what);
  if (facts.step) known.rung = rung(facts);
  const say = (variant) => capital(filled(words[variant], known));
  const some = (list) => Array.isArray(list) && list.length > 0;
  switch (kind) {
    case 'stepped': {
      const variant = some(facts.people) ? (facts.urgent === 'none' ? 'stepped:quiet' : 'stepped') : 'stepped:nobody';
      return { text: say(variant), more: [], tone: facts.urgent === 'none' ? 'plain' : 'loud' };
    }
    case 'buzzed': {
      if (!some(facts.refused)) return { text: say('buzzed'), more: [], tone: 'loud' };
      const refused = say('buzzed:refused');
      return some(facts.people) ? { text: say('buzzed'), more: [refused], tone: 'bad' } : { text: refused, more: [], tone: 'bad' };
    }
    case 'delivery_failed':
      return { text: say(kind), more: [facts.reason, facts.instead ? say('delivery_failed:instead') : ''].filter(Boolean), tone: 'bad' };
    case 'card_posted':
      return { text: say(kind), more: [say('card_posted:more')], tone: 'plain' };
    default:
      return { text: say(kind), more: [], tone: TONES[kind] ?? 'plain' };
  }
}

const TONES = { opened: 'bad', severity_rose: 'bad', exhausted: 'bad', held_back: 'bad', step_skipped: 'bad', reopened: 'bad', resolved: 'good' };

function said(value) {
  return Array.isArray(value) ? value.join(word('separator')) : String(value);
}

/** `2 h 5 min`: the two largest units that count; `0.42 s` below ten seconds if `fine`. */
export function duration(ms, fine = false) {
  if (fine && ms < 10_000) return word('seconds', { n: (Math.max(0, ms) / 1000).toFixed(2) });
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const amounts = [['days', Math.floor(seconds / 86400)], ['hours', Math.floor(seconds / 3600) % 24],
    ['minutes', Math.floor(seconds / 60) % 60], ['seconds', seconds % 60]];
  const first = amounts.findIndex(([, amount]) => amount > 0);
  const parts = amounts.slice(first < 0 ? 3 : first).slice(0, 2).filter(([, amount], n) => n === 0 || amount > 0);
  return parts.map(([unit, n]) => word(unit, { n })).join(' ');
}

function formatters() {
  if (!formats) {
    const locale = language === 'en' ? 'en-GB' : language;
    const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
    formats = {
      day: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' }),
      clock: new Intl.DateTimeFormat(locale, clock),
      offset: new Intl.DateTimeFormat('en', { timeZoneName: 'shortOffset' }),
    };
  }
  return formats;
}

/** `10:18:53`, with the day when it is not today. */
export function time(at, now) {
  const { day, clock } = formatters();
  return day.format(at) === day.format(now) ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

/** `UTC+8` as it is at that moment. */
export function offset(at) {
  const part = formatters().offset.formatToParts(at).find(({ type }) => type === 'timeZoneName');
  return (part?.value ?? '').replace('GMT', 'UTC').replace(/\+0$/, '');
}

/** `Asia/Shanghai (UTC+8)`. */
export function zone(at) {
  const name = formatters().offset.resolvedOptions().timeZone;
  return name === 'UTC' ? name : `${name} (${offset(at)})`;
}
