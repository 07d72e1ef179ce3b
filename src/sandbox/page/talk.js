// People's hands: buttons of cards, the dialog that asks once more, replies,
// reactions, and the toasts that answer them.

import { callbacks } from './card.js';
import { el, icon, locale, word } from './words.js';

const TOAST_MS = 4_500; // of the viewer's time
const heard = new Map(); // toast → when the viewer first saw it; 0: over
let redraw = () => {};

/** Who draws the page tells how here, once. */
export const onChange = (draw) => { redraw = draw; };

const pressable = (key, onclick, attributes, ...children) =>
  el('button', { type: 'button', 'data-key': key, onclick, ...attributes }, ...children);

/** Tells the sandbox; what is refused becomes a toast on the phone. */
async function tell(phone, what, body) {
  let why = null;
  try {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`/sandbox/${what}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) why = await answer.json().then((problem) => problem.error, () => word('refused'));
  } catch {
    why = word('offline');
  }
  if (why) complain(phone, why);
  return !why;
}

function complain(phone, why) {
  phone.complaint = { id: `own ${Date.now()}`, at: Date.now(), kind: 'error', zh: why, en: why };
  heard.set(phone.complaint.id, Date.now());
  announce(why);
  setTimeout(redraw, TOAST_MS + 50);
  redraw();
}

// --- toasts ----------------------------------------------------------------

const inWords = (toast) => (locale() === 'zh-CN' ? toast.zh : toast.en);
const announce = (text) => { document.getElementById('said').textContent = text; };

/** Lets new toasts appear; of those before the page was opened, only fresh ones. */
export function hearToasts(state, first) {
  for (const toast of [...state.toasts].reverse()) {
    if (heard.has(toast.id)) continue;
    const missed = first && state.now - toast.at >= TOAST_MS;
    heard.set(toast.id, missed ? 0 : Date.now());
    if (missed) continue;
    announce(inWords(toast));
    setTimeout(redraw, TOAST_MS + 50);
  }
}

/** The toast that a phone shows now, if any. */
export function toastOf(phone, state) {
  const own = [phone.complaint, ...state.toasts.filter((t) => t.person === phone.person)].filter(Boolean);
  const fresh = own.filter((t) => Date.now() - heard.get(t.id) < TOAST_MS);
  const [toast] = fresh.sort((a, b) => heard.get(b.id) - heard.get(a.id));
  if (!toast) return null;
  const mark = { success: 'tick', error: 'cross', warning: 'warn', info: 'info' }[toast.kind] ?? 'info';
  const age = Date.now() - heard.get(toast.id);
  return el('div', { class: `toast toast-${toast.kind}${age < 300 ? ' fresh' : ''}` },
    el('span', { class: 'toast-icon' }, icon(mark)), el('span', {}, inWords(toast)));
}

// --- buttons of cards --------------------------------------------------------

async function press(phone, { message, label, back, key, settled }) {
  Object.assign(phone, { busy: key, focus: key, menu: null });
  redraw();
  await tell(phone, 'press', { message, person: phone.person, button: label, back });
  phone.busy = null;
  settled();
  redraw();
}

/**
 * Makes the buttons of a drawn card work. `back` edits ago it looked like that;
 * `settled` is called when a press has been answered.
 */
export function enliven(card, phone, message, back, settled) {
  [...card.querySelectorAll('button.button')].forEach((button, n) => {
    const call = callbacks.get(button);
    if (!call) return;
    const key = `press ${message} ${n}`;
    const deed = { message, label: call.label, back, key, settled };
    button.dataset.key = key;
    button.removeAttribute('title');
    // A button that works stays focusable: the keyboard must not lose its place.
    button.disabled = false;
    if (phone.busy) button.setAttribute('aria-disabled', 'true');
    if (phone.busy === key) {
      button.classList.add('busy');
      button.setAttribute('aria-busy', 'true');
    }
    button.addEventListener('click', () => {
      if (phone.busy) return;
      if (!call.confirm) { press(phone, deed); return; }
      Object.assign(phone, { asking: { ...deed, confirm: call.confirm }, focus: 'confirm-yes', menu: null });
      redraw();
    });
  });
  return card;
}

/** The dialog that asks once more, if it is open. */
export function dialogOf(phone) {
  const asked = phone.asking;
  if (!asked) return null;
  const close = () => { Object.assign(phone, { asking: null, focus: asked.key }); redraw(); };
  const go = () => { phone.asking = null; press(phone, asked); };
  const { title, text } = asked.confirm;
  const onkeydown = (event) => { if (event.key === 'Escape') close(); };
  return el('div', { class: 'veil', onkeydown },
    el('div', { class: 'dialog', role: 'alertdialog', 'aria-modal': 'true', 'aria-label': title || text },
      title ? el('strong', {}, title) : null,
      text ? el('p', {}, text) : null,
      el('div', { class: 'dialog-buttons' },
        pressable('confirm-no', close, {}, word('cancel')),
        pressable('confirm-yes', go, { class: 'yes' }, word('confirm')))));
}

// --- reactions ---------------------------------------------------------------

const react = (phone, message, emoji, on) => {
  Object.assign(phone, { menu: null, focus: `react ${message}` });
  redraw();
  tell(phone, 'react', { message, person: phone.person, emoji, on });
};

/** The reactions of a message by emoji, and the way to add one or to answer. */
export function reactions(phone, message, nameOf) {
  const byEmoji = new Map();
  for (const { emoji, by } of message.reactions) byEmoji.set(emoji, [...(byEmoji.get(emoji) ?? []), by]);
  const chips = [...byEmoji].map(([emoji, people]) => {
    const own = people.includes(phone.person);
    const names = people.map(nameOf).join(', ');
    return pressable(`react ${message.id} ${emoji}`, () => react(phone, message.id, emoji, !own),
      { class: 'reaction', 'aria-pressed': String(own), 'aria-label': `${emoji}: ${names}` },
      el('b', {}, word('emoji')[emoji] ?? emoji), names);
  });
  const open = phone.menu === message.id;
  const toggle = () => { Object.assign(phone, { menu: open ? null : message.id, focus: `react ${message.id}` }); redraw(); };
  const reply = () => { Object.assign(phone, { parent: message.id, focus: 'say' }); redraw(); };
  const menu = open ? el('div', { class: 'emoji', role: 'group', 'aria-label': word('react'),
    onkeydown: (event) => { if (event.key === 'Escape') toggle(); } },
  Object.entries(word('emoji')).map(([name, said]) =>
    pressable(`emoji ${name}`, () => react(phone, message.id, name, !byEmoji.get(name)?.includes(phone.person)),
      { title: name }, said))) : null;
  return [...chips,
    el('span', { class: 'hands' },
      pressable(`react ${message.id}`, toggle, { 'aria-label': word('react'), title: word('react'),
        'aria-expanded': String(open) }, icon('smile')),
      pressable(`reply ${message.id}`, reply, { 'aria-label': word('reply'), title: word('reply') }, icon('reply'))),
    menu];
}

// --- replies -----------------------------------------------------------------

/** Whether somebody is in the middle of typing a character: nothing may be redrawn then. */
export const isComposing = (phones) => phones.some((phone) => phone.composing);

/** The line to write in. Without another choice it answers the newest card. */
export function composer(phone, messages, authorOf) {
  phone.input ??= el('input', { type: 'text', 'data-key': 'say', maxlength: '500', autocomplete: 'off',
    oncompositionstart: () => { phone.composing = true; },
    oncompositionend: () => { phone.composing = false; redraw(); } });
  phone.input.placeholder = word('say');
  phone.input.setAttribute('aria-label', word('say'));
  const usable = messages.filter((m) => !m.deleted);
  const parent = phone.parent === null ? null
    : usable.find((m) => m.id === phone.parent) ?? usable.findLast((m) => m.by_bot && m.type === 'interactive');
  const onsubmit = async (event) => {
    event.preventDefault();
    const text = phone.input.value.trim();
    if (!text) return;
    phone.input.value = '';
    const body = { chat: phone.chat, person: phone.person, parent: parent?.id ?? null, text };
    if (!await tell(phone, 'reply', body)) phone.input.value ||= text;
  };
  const alone = () => { Object.assign(phone, { parent: null, focus: 'say' }); redraw(); };
  return el('form', { class: 'composer', onsubmit },
    parent ? el('div', { class: 'answering' }, icon('reply'),
      el('span', {}, `${authorOf(parent)}: ${parent.preview}`),
      pressable('alone', alone, { 'aria-label': word('alone'), title: word('alone') }, icon('cross'))) : null,
    el('div', { class: 'line' }, phone.input,
      el('button', { type: 'submit', 'data-key': 'send', 'aria-label': word('send'), title: word('send') }, icon('send'))));
}
