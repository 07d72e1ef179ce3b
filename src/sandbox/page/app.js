// Two phones that follow the sandbox: lock screen, chat list, chat.
//
// ?static renders one snapshot; ?left= and ?right= take lock, chats or
// chat[:oc_…]; ?lang= takes zh or en.

import { card, text } from './card.js';
import { follow } from './news.js';
import { composer, dialogOf, enliven, hearToasts, isComposing, onChange, reactions, toastOf } from './talk.js';
import { el, icon, locale, switchLanguage, word } from './words.js';

const RING_MS = 20_000; // of the viewer's time, whatever the sandbox's clock does
const NOTICES_MAX = 6;
const query = new URLSearchParams(location.search);
const still = query.has('static');

let state = null;
let skew = 0;
let live = false;
const rings = new Map(); // call → when the viewer first heard it; 0: over
const steps = new Map(); // phone and message → how many versions back it is shown
const folds = new Map(); // fold of a shown version → open, as the reader left it
const seen = new Map(); // phone and message → edits already shown

const phones = ['left', 'right'].map((side, index) => {
  const [screen, chat] = (query.get(side) ?? (index === 0 ? 'lock' : 'auto')).split(/:(.*)/);
  return { side, index, screen, chat: chat || null, person: query.get(`${side}_person`), chosen: false };
});

const now = () => Date.now() + skew;
const nameOf = (id) => state.people.find((p) => p.id === id || p.email === id)?.name ?? id;
const chatOf = (id) => state.chats.find((c) => c.id === id);
const clockTime = (at) => new Date(at).toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' });

function ago(at) {
  const minutes = Math.floor((now() - at) / 60_000);
  if (minutes < 1) return word('now');
  if (minutes < 60) return word('minutes', minutes);
  return minutes < 24 * 60 ? word('hours', Math.floor(minutes / 60)) : new Date(at).toLocaleDateString(locale());
}

/** The chats of a person, pinned ones first, then by latest message. */
function chatsOf(person) {
  return state.chats.filter((c) => c.members.includes(person)).map((chat) => {
    const messages = state.messages.filter((m) => m.chat === chat.id);
    const pinned = state.pins.some((p) => p.person === person && (p.chat ? p.chat === chat.id : chat.direct));
    const unread = messages.filter((m) => m.by !== person && !m.deleted && !m.readers.includes(person)).length;
    return { chat, messages, pinned, unread, last: messages.at(-1) };
  }).sort((a, b) => Number(b.pinned) - Number(a.pinned) || (b.last?.at ?? 0) - (a.last?.at ?? 0));
}

const titleOf = (chat) => (chat.direct ? state.bot : chat.name);
const hueOf = (id) => [...id].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 5;
const avatar = (chat) => el('span', { class: `avatar ${chat.direct ? 'bot' : `hue-${hueOf(chat.id)}`}` },
  chat.direct ? icon('horn') : [...titleOf(chat)][0] ?? '?');

/** A button whose key lets the focus return to it after a redraw. */
const pressable = (key, onclick, attributes, ...children) =>
  el('button', { type: 'button', 'data-key': key, onclick, ...attributes }, ...children);

// --- lock screen ---------------------------------------------------------

const ringKey = (buzz) => `${buzz.person} ${buzz.message} ${buzz.at}`;
const isRinging = (buzz) => buzz.urgent === 'phone' && Date.now() - rings.get(ringKey(buzz)) < RING_MS;
const ringing = (person) => state.buzzes.findLast((b) => b.person === person && isRinging(b));

/** Lets new calls ring; of those before the page was opened, only a fresh one. */
function hear(first) {
  for (const buzz of state.buzzes) {
    if (buzz.urgent !== 'phone' || rings.has(ringKey(buzz))) continue;
    const missed = first && now() - buzz.at >= RING_MS;
    rings.set(ringKey(buzz), missed ? 0 : Date.now());
    if (!missed && !still) setTimeout(draw, RING_MS + 50);
  }
}

/** What the lock screen lists, newest first. */
function notices(person) {
  const ring = ringing(person);
  const list = [];
  const urged = new Map();
  for (const buzz of state.buzzes.filter((b) => b.person === person)) {
    const message = state.messages.find((m) => m.id === buzz.message);
    if (message?.readers.includes(person)) continue;
    const banner = urged.get(buzz.message) ?? { kind: 'app', times: 0, text: buzz.text, chat: buzz.chat };
    urged.set(buzz.message, Object.assign(banner, { at: buzz.at, times: banner.times + 1 }));
    const { at, chat } = buzz;
    if (buzz.urgent === 'sms') list.push({ kind: 'sms', at, text: word('sentence', state.bot), chat });
    if (buzz.urgent === 'phone' && buzz !== ring) list.push({ kind: 'phone', at, text: word('caller'), chat });
  }
  list.push(...urged.values());
  for (const { chat, messages } of chatsOf(person)) {
    for (const m of messages) {
      if (m.by !== person && !m.deleted && !m.readers.includes(person) && !urged.has(m.id)) {
        list.push({ kind: 'message', at: m.at, text: m.preview, chat: chat.id });
      }
    }
  }
  return list.map((notice, order) => ({ ...notice, order })).sort((a, b) => b.at - a.at || b.order - a.order);
}

const NOTICE_LOOK = {
  message: { mark: 'horn', names: true, title: () => word('feishu') },
  app: { mark: 'bolt', names: true, title: () => word('urgentApp') },
  sms: { mark: 'bubble', title: () => word('urgentSms') },
  phone: { mark: 'handset', title: () => word('missed') },
};

function noticeRow(phone, notice) {
  const chat = chatOf(notice.chat);
  const look = NOTICE_LOOK[notice.kind];
  const title = [look.title(), look.names && chat ? titleOf(chat) : null].filter(Boolean).join(' · ');
  const key = `${notice.kind}${notice.at}${notice.order}`;
  const show = () => open(phone, 'chat', notice.chat);
  return el('li', {}, pressable(key, show, { class: `notice ${notice.kind}` },
    el('span', { class: 'notice-icon' }, icon(look.mark)),
    el('span', { class: 'notice-text' },
      el('span', { class: 'notice-top' },
        el('b', {}, title),
        notice.times > 1 ? el('i', {}, `×${notice.times}`) : null,
        el('time', {}, ago(notice.at))),
      el('span', { class: 'notice-body' }, notice.text))));
}

function ringOverlay(buzz) {
  const stop = () => { rings.set(ringKey(buzz), 0); draw(); };
  return el('div', { class: 'ring', role: 'alertdialog', 'aria-label': word('caller') },
    el('span', { class: 'ring-mark' }, icon('handset')),
    el('strong', {}, word('caller')),
    el('p', {}, word('sentence', state.bot)),
    el('div', { class: 'ring-buttons' },
      ['decline', 'answer'].map((act) =>
        pressable(act, stop, { class: act }, el('span', {}, icon('handset')), word(act)))));
}

function lockScreen(phone) {
  const all = notices(phone.person);
  const date = new Date(now());
  return el('div', { class: 'screen lock' },
    el('div', { class: 'big-clock' },
      el('span', {}, date.toLocaleDateString(locale(), { weekday: 'long', month: 'long', day: 'numeric' })),
      el('b', {}, date.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' }))),
    all.length ? noticeList(phone, all) : el('div', { class: 'quiet' },
      el('b', {}, word('quiet')),
      el('span', {}, word('quietMore'))));
}

function noticeList(phone, all) {
  const more = all.length - NOTICES_MAX;
  return el('ul', { class: 'notices' },
    all.slice(0, NOTICES_MAX).map((notice) => noticeRow(phone, notice)),
    more > 0 ? el('li', { class: 'more' }, `+${more}`) : null);
}

// --- Feishu --------------------------------------------------------------

const hasRead = (id, person) => state.messages.find((m) => m.id === id)?.readers.includes(person);

function chatRow(phone, { chat, pinned, unread, last }) {
  const urged = state.buzzes.some((b) =>
    b.person === phone.person && b.chat === chat.id && !hasRead(b.message, phone.person));
  const show = () => open(phone, 'chat', chat.id);
  return el('li', {}, pressable(chat.id, show, { class: `row${pinned ? ' pinned' : ''}` },
    avatar(chat),
    el('span', { class: 'row-text' },
      el('span', { class: 'row-top' },
        el('b', {}, titleOf(chat)),
        pinned ? el('em', { class: 'on-top' }, icon('pin'), word('pinned')) : null,
        el('time', {}, last ? clockTime(last.at) : '')),
      el('span', { class: 'row-last' },
        el('span', {}, urged ? el('em', { class: 'urgent-word' }, word('urgentTag')) : null, last?.preview),
        unread ? el('i', { class: 'badge' }, unread > 99 ? '99+' : String(unread)) : null))));
}

function chatList(phone) {
  const rows = chatsOf(phone.person).map((line) => chatRow(phone, line));
  return el('div', { class: 'screen feishu' },
    el('div', { class: 'bar' }, el('b', { class: 'bar-title' }, word('chats'))),
    rows.length ? el('ul', { class: 'rows' }, rows) : el('p', { class: 'empty' }, word('noChats')));
}

function history(phone, message) {
  const key = `${phone.side} ${message.id}`;
  const back = Math.min(steps.get(key) ?? 0, message.revisions.length - 1);
  const shown = message.revisions.at(-1 - back);
  if (!message.edits) return { shown, back, line: null };
  const oldest = message.revisions.length - 1;
  const step = (by) => { steps.set(key, Math.max(0, Math.min(oldest, back + by))); draw(); };
  const arrow = (name, by, end, sign) =>
    pressable(`${name}${message.id}`, () => step(by), { 'aria-label': word(name), disabled: end }, sign);
  const line = el('span', { class: 'edits' },
    icon('pencil'), word('edited', message.edits),
    arrow('older', 1, back >= oldest, '‹'),
    arrow('newer', -1, back === 0, '›'),
    back ? el('i', {}, word('asOf', clockTime(shown.at))) : null);
  return { shown, back, line };
}

function body(phone, message, { shown, back }) {
  if (message.deleted) return el('div', { class: 'bubble recalled' }, word('recalled'));
  if (message.type === 'interactive') {
    const drawn = card(shown.content, nameOf);
    return state.callback ? enliven(drawn, phone, message.id, back, () => steps.delete(`${phone.side} ${message.id}`)) : drawn;
  }
  if (message.type === 'text') return text(shown.content, nameOf);
  return el('div', { class: 'bubble' }, message.preview);
}

function urgedLine(message) {
  const kinds = new Map();
  for (const { person, urgent } of state.buzzes.filter((b) => b.message === message.id)) {
    kinds.set(person, (kinds.get(person) ?? new Set()).add(word('buzzWord')[urgent]));
  }
  if (!kinds.size) return null;
  const who = [...kinds].map(([person, words]) => `${nameOf(person)} (${[...words].join(', ')})`);
  return el('span', { class: 'urged' }, icon('bolt'), `${word('urged')} ${who.join(' · ')}`);
}

const author = (message) => (message.by_bot ? state.bot : nameOf(message.by));
const reactorOf = (id) => state.people.find((p) => p.id === id)?.name ?? state.bot;

function messageRow(phone, message) {
  const own = message.by === phone.person;
  const parent = message.parent && state.messages.find((m) => m.id === message.parent);
  const version = history(phone, message);
  const { shown, line } = version;
  const key = `${phone.side} ${phone.person} ${message.id}`;
  const before = seen.get(key);
  seen.set(key, message.edits);
  const fresh = before === undefined ? 'arrive' : before < message.edits && 'flash';
  const wide = message.type === 'interactive' && !message.deleted;
  const look = ['message', own && 'own', wide && 'has-card', !still && fresh].filter(Boolean).join(' ');
  return el('li', { class: look, 'data-version': `${message.id} ${shown.at}` },
    el('span', { class: `avatar mini ${message.by_bot ? 'bot' : 'hue-2'}` },
      message.by_bot ? icon('horn') : [...nameOf(message.by)][0]),
    el('div', { class: 'message-main' },
      el('div', { class: 'who' },
        author(message),
        message.by_bot ? el('em', {}, word('bot')) : null,
        el('time', {}, clockTime(message.at))),
      parent ? el('div', { class: 'quote' }, `${author(parent)}: ${parent.preview}`) : null,
      body(phone, message, version),
      el('div', { class: 'below' }, urgedLine(message), line,
        message.readers.length ? el('span', {}, word('read', message.readers.length)) : null,
        message.deleted ? null : reactions(phone, message, reactorOf))));
}

function chatScreen(phone) {
  const chat = chatOf(phone.chat);
  if (!chat) return chatList(phone);
  const messages = state.messages.filter((m) => m.chat === chat.id);
  return el('div', { class: 'screen feishu' },
    el('div', { class: 'bar' },
      pressable('back', () => open(phone, 'chats'), { class: 'back', 'aria-label': word('back') }, icon('back')),
      el('span', { class: 'bar-title' },
        el('b', {}, titleOf(chat)),
        el('small', {}, chat.direct ? word('direct') : word('group', chat.members.length)))),
    el('ol', { class: 'messages', tabindex: '0' }, messages.map((m) => messageRow(phone, m))),
    composer(phone, messages, author));
}

// --- frame ---------------------------------------------------------------

function open(phone, screen, chat = null) {
  Object.assign(phone, { screen, chat, chosen: true, parent: undefined, menu: null, asking: null });
  draw();
  markRead();
}

/** A chat that its owner opened counts as read. */
function markRead() {
  if (still) return;
  for (const phone of phones) {
    if (!phone.chosen || phone.screen !== 'chat') continue;
    const { chat, person } = phone;
    if (!chatsOf(person).find((c) => c.chat.id === chat)?.unread) continue;
    const headers = { 'Content-Type': 'application/json' };
    // Refused from another machine: then the chat just stays unread.
    fetch('/sandbox/read', { method: 'POST', headers, body: JSON.stringify({ chat, person }) }).catch(() => {});
  }
}

function settle(phone) {
  const known = state.people.some((p) => p.id === phone.person);
  if (!known) phone.person = (state.people[phone.index] ?? state.people[0])?.id ?? null;
  const newest = () => state.messages.findLast((m) => chatOf(m.chat)?.members.includes(phone.person))?.chat;
  if (phone.screen === 'auto') phone.chat = newest() ?? null;
  if (phone.screen === 'chat' && !phone.chat) phone.chat = newest() ?? null;
}

function screenOf(phone) {
  if (phone.screen === 'chats') return chatList(phone);
  if (phone.screen === 'chat' || (phone.screen === 'auto' && phone.chat)) return chatScreen(phone);
  return lockScreen(phone);
}

function frame(phone) {
  const ring = ringing(phone.person);
  const isLock = phone.screen === 'lock' || (phone.screen === 'auto' && !phone.chat);
  const tab = (screen, mark, on) =>
    pressable(`tab-${screen}`, () => open(phone, screen), { 'aria-pressed': String(on) }, icon(mark), word(screen));
  const choose = (event) => { Object.assign(phone, { person: event.target.value, chosen: false, asking: null }); draw(); };
  const people = state.people.length ? state.people : [{ id: '', name: word('nobody') }];
  return el('section', { class: 'phone', 'data-side': phone.side, 'aria-label': nameOf(phone.person) ?? '' },
    el('div', { class: 'controls' },
      el('select', { 'aria-label': word('person'), 'data-key': 'person', onchange: choose },
        people.map((p) => el('option', { value: p.id, selected: p.id === phone.person }, p.name))),
      el('div', { class: 'tabs' }, tab('lock', 'lock', isLock), tab('chats', 'bubble', !isLock))),
    el('div', { class: `device${ring ? ' shaking' : ''}` },
      el('div', { class: `display${isLock || ring ? ' dark' : ''}` },
        el('div', { class: 'status', 'aria-hidden': 'true' }, el('b', {}, clockTime(now())), el('i'), icon('signal')),
        screenOf(phone),
        dialogOf(phone),
        toastOf(phone, state),
        ring ? ringOverlay(ring) : null,
        el('div', { class: 'home', 'aria-hidden': 'true' }))));
}

function drawTop() {
  document.documentElement.lang = locale();
  document.title = `Larkhorn · ${word('title')}`;
  for (const node of document.querySelectorAll('[data-word]')) node.textContent = word(node.dataset.word);
  const language = document.getElementById('language');
  language.textContent = word('switch');
  const lamp = document.getElementById('live');
  lamp.className = `live ${still ? 'still' : live ? 'on' : 'off'}`;
  lamp.lastElementChild.textContent = word(still ? 'still' : live ? 'live' : 'offline');
  const marks = { messages: 'bubble', edits: 'pencil', app: 'bolt', sms: 'bubble', phone: 'handset', pins: 'pin' };
  document.getElementById('counters').replaceChildren(...Object.entries(marks).map(([key, mark]) =>
    el('li', { class: `count-${key}` }, icon(mark), el('b', {}, String(state?.counters[key] ?? 0)), word(key))));
}

/** Draws everything anew and puts back where the reader was. */
function draw() {
  if (isComposing(phones)) return;
  drawTop();
  if (!state) return;
  const root = document.getElementById('phones');
  const focused = document.activeElement?.closest('[data-key]');
  let focus = focused && { side: focused.closest('.phone')?.dataset.side, key: focused.dataset.key };
  for (const phone of phones) {
    if (phone.focus) focus = { side: phone.side, key: phone.focus };
    phone.focus = null;
  }
  const places = new Map();
  for (const list of root.querySelectorAll('.messages')) {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    places.set(list.closest('.phone').dataset.side, { top: list.scrollTop, atEnd, chat: list.dataset.chat });
  }
  phones.forEach(settle);
  root.replaceChildren(...phones.map(frame));
  for (const phone of phones) {
    const section = root.querySelector(`[data-side=${phone.side}]`);
    section.querySelector('.screen').inert = Boolean(phone.asking);
    section.querySelectorAll('details').forEach((fold, n) => {
      const key = `${phone.side} ${fold.closest('.message').dataset.version} ${n}`;
      if (folds.has(key)) fold.open = folds.get(key);
      fold.addEventListener('toggle', () => folds.set(key, fold.open));
    });
    const list = section.querySelector('.messages');
    if (!list) continue;
    list.dataset.chat = phone.chat;
    const place = places.get(phone.side);
    list.scrollTop = place && place.chat === phone.chat && !place.atEnd ? place.top : list.scrollHeight;
  }
  if (focus?.side) {
    const again = `[data-side=${focus.side}] [data-key="${CSS.escape(focus.key)}"]`;
    root.querySelector(again)?.focus({ preventScroll: true });
  }
}

// --- news ----------------------------------------------------------------

let shown = '';

/** Takes the state in, and draws it if there is anything new to see. */
function take(answer) {
  const first = state === null;
  state = JSON.parse(answer);
  skew = state.now - Date.now();
  // The clock alone is no reason to disturb the reader; a new minute is.
  const sight = answer.replace(/"now":\d+/, '') + clockTime(state.now);
  if (sight === shown) return;
  shown = sight;
  hear(first);
  hearToasts(state, first);
  draw();
  markRead();
}

onChange(draw);
document.getElementById('language').addEventListener('click', () => { switchLanguage(); draw(); });
drawTop();
follow({ take, still, lamp: (on) => { live = on; drawTop(); } });
