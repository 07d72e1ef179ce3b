// Shows the incidents of the API and keeps them up to date.
//
// The address says what is shown: #INC-1 opens an incident, ?filter= narrows
// the lists. Everything that comes from outside is set as text, never as markup.

import { matcher, narrowed } from './dashboard-filter.js';
import { el, row, say, tick, wholeIncident } from './dashboard-look.js';
import { adjustClock, currentLanguage, now, offset, switchLanguage, time, word, zone } from './dashboard-text.js';

const REFRESH_MS = 5_000;
const PATIENCE_MS = 10_000;
const PAGE = 50;
const PAGE_MAX = 500; // the most that the API gives at once
const TOKEN = 'larkhorn.token';

const byId = (id) => document.getElementById(id);
const lists = [
  { box: byId('open'), state: 'triggered', empty: 'noneOpen', wanted: PAGE, incidents: [], more: false },
  { box: byId('resolved'), state: 'resolved', empty: 'noneResolved', wanted: PAGE, incidents: [], more: false },
];
const [open, resolved] = lists;

let token = recalled();
let locked = null; // why the API wants a token, while it does
let health = null; // { answers, problems }
let seenAt = null; // when the lists were last read
let trouble = null; // what went wrong since: an empty text for no answer
let chosen = null; // id of the incident that is shown in full
let incident = null; // it, or null before it is known
let missing = false;
let filter = new URLSearchParams(location.search).get('filter') ?? '';

// --- asking ----------------------------------------------------------------

class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(path, headers = {}) {
  const answer = await fetch(path, { headers, cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
  adjustClock(answer.headers.get('Date'));
  return answer;
}

async function api(path) {
  const answer = await ask(`api/v1/${path}`, token ? { Authorization: `Bearer ${token}` } : {});
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Refusal(answer.status, problem.detail ?? `${answer.status} ${answer.statusText}`);
}

/** As many incidents as are wanted, page by page. */
async function read(list) {
  const incidents = [];
  let next = null;
  do {
    const query = new URLSearchParams({ state: list.state, limit: Math.min(PAGE_MAX, list.wanted - incidents.length) });
    if (next) query.set('before', next);
    const page = await api(`incidents?${query}`);
    incidents.push(...page.incidents);
    next = page.next;
  } while (next && incidents.length < list.wanted);
  if (list === resolved) incidents.sort((a, b) => Date.parse(b.resolved_at) - Date.parse(a.resolved_at));
  return { incidents, more: next !== null };
}

/** The incident with that id, or null if there is none. */
async function readOne(id) {
  return id && api(`incidents/${id}`).catch((error) => {
    if (error.status === 404 || error.status === 400) return null;
    throw error;
  });
}

async function readHealth() {
  try {
    const answer = await ask('-/ready');
    const lines = (await answer.text()).split('\n').filter((line) => line.trim());
    health = { answers: true, problems: answer.ok ? [] : lines };
  } catch {
    health = { answers: false, problems: [] };
  }
}

async function readIncidents() {
  if (locked && !token) return;
  const [asked, id] = [token, chosen];
  try {
    const [one, ...fresh] = await Promise.all([readOne(id), ...lists.map(read)]);
    // What an old token gave, or what is not shown any more, comes too late.
    if (asked !== token) return;
    if (id && id === chosen) [incident, missing] = [one, one === null];
    if (seenAt) announce(fresh);
    lists.forEach((list, n) => Object.assign(list, fresh[n]));
    [seenAt, trouble] = [now(), null];
    if (locked) unlock();
  } catch (error) {
    if (asked !== token) return;
    if (error.status === 401) lock(error.message, token !== '');
    else trouble = error instanceof Refusal ? error.message : '';
  }
}

/** Tells those who listen what has changed; `fresh` is what the lists will hold. */
function announce(fresh) {
  const [before, over] = lists.map((list) => new Set(list.incidents.map(({ id }) => id)));
  const newest = Math.max(0, ...[...before, ...over].map(number));
  const opened = fresh[0].incidents.filter(({ id }) => !before.has(id) && (over.has(id) || number(id) > newest));
  const ended = fresh[1].incidents.filter(({ id }) => before.has(id));
  const news = [...opened.map((i) => word('newsOpened', i)), ...ended.map((i) => word('newsResolved', i))];
  if (news.length) byId('news').textContent = news.join(' ');
}

const number = (id) => Number(id.replace(/^\D+/, ''));

// --- refreshing ------------------------------------------------------------

let timer = 0;
let busy = false;
let again = false;

/** Reads everything now, then every few seconds while the tab can be seen. */
async function refresh() {
  again = busy;
  if (busy) return;
  busy = true;
  clearTimeout(timer);
  do {
    again = false;
    await Promise.all([readHealth(), readIncidents()]);
    draw();
  } while (again);
  busy = false;
  if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

// --- token -----------------------------------------------------------------

function recalled() {
  try {
    return sessionStorage.getItem(TOKEN) ?? '';
  } catch {
    return ''; // storage may be switched off
  }
}

function keep(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(TOKEN, text);
    else sessionStorage.removeItem(TOKEN);
  } catch {
    // then it holds until the page is closed
  }
}

/** Asks for a token; nothing that an old one gave is left in the page. */
function lock(why, refused) {
  locked = { why, refused };
  keep('');
  for (const list of lists) Object.assign(list, { incidents: [], more: false, wanted: PAGE });
  [seenAt, trouble, incident, missing] = [null, null, null, false];
  byId('news').textContent = '';
  draw();
  byId('token').focus();
}

function unlock() {
  locked = null;
  byId('token').value = '';
  draw();
  byId(chosen ? 'detail-title' : 'incidents').focus({ preventScroll: true });
}

// --- drawing ---------------------------------------------------------------

const drawn = new WeakMap(); // node → what it was made from

/** The node, or a new one if it would look different; the reader's focus stays. */
function remade(node, print, make) {
  if (node && drawn.get(node) === print) return node;
  const fresh = make();
  drawn.set(fresh, print);
  if (node) {
    const focused = node.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    node.replaceWith(fresh);
    if (focused) fresh.querySelector('a').focus({ preventScroll: true });
  }
  return fresh;
}

function drawList(list) {
  const matching = list.incidents.filter(matcher(filter));
  const ul = list.box.querySelector('ul');
  list.nodes ??= new Map();
  const nodes = new Map(matching.map((i) => {
    const print = JSON.stringify([i, currentLanguage(), i.id === chosen, new Date(now()).toDateString()]);
    return [i.id, remade(list.nodes.get(i.id), print, () => row(i, i.id === chosen))];
  }));
  for (const [id, node] of list.nodes) if (!nodes.has(id)) node.remove();
  list.nodes = nodes;
  [...nodes.values()].forEach((node, n) => {
    if (ul.children[n] !== node) ul.insertBefore(node, ul.children[n] ?? null);
  });
  const all = `${list.incidents.length}${list.more ? '+' : ''}`;
  say(list.box.querySelector('.count'), filter.trim() ? `${matching.length} / ${all}` : all);
  const empty = list.box.querySelector('.empty');
  empty.hidden = matching.length > 0;
  say(empty, seenAt ? word(list.incidents.length ? 'noMatch' : list.empty) : word('loading'));
  list.box.querySelector('.more').hidden = !list.more;
  return matching.length;
}

function drawDetail() {
  byId('detail').hidden = !chosen;
  document.body.classList.toggle('has-detail', chosen !== null);
  if (!chosen) return;
  say(byId('detail-title'), incident?.title || chosen);
  const body = byId('detail-body');
  const print = JSON.stringify([incident, missing, currentLanguage(), new Date(now()).toDateString()]);
  if (drawn.get(body) === print) return;
  drawn.set(body, print);
  const key = body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  body.replaceChildren(incident ? wholeIncident(incident, narrow) : el('p', { class: 'empty' }, missing ? word('missing', { id: chosen }) : word('loading')));
  if (key) [...body.querySelectorAll('[data-key]')].find((node) => node.dataset.key === key)?.focus({ preventScroll: true });
}

function drawHealth() {
  const look = health === null ? 'loading' : !health.answers ? 'unreachable' : health.problems.length ? 'notReady' : 'ready';
  byId('health').className = `health ${look}`;
  say(byId('health').querySelector('span'), word(look));
  byId('reasons').hidden = !health?.problems.length;
  const ul = byId('reasons').querySelector('ul');
  const problems = health?.problems ?? [];
  if ([...ul.children].map((li) => li.textContent).join('\n') !== problems.join('\n')) ul.replaceChildren(...problems.map((p) => el('li', {}, p)));
  say(byId('updated'), seenAt ? word('updated', { time: `${time(seenAt, now())} ${offset(seenAt)}` }) : '');
  const failing = trouble ?? (health && !health.answers ? '' : null);
  byId('trouble').hidden = failing === null;
  if (failing === null) return;
  const since = seenAt && { time: `${time(seenAt, now())} ${offset(seenAt)}`, seconds: REFRESH_MS / 1000 };
  say(byId('trouble'), failing ? word('refused', { detail: failing })
    : since ? word('troubleSince', since) : word('trouble', { seconds: REFRESH_MS / 1000 }));
}

function draw() {
  document.documentElement.lang = currentLanguage();
  for (const node of document.querySelectorAll('[data-word]')) say(node, word(node.dataset.word));
  byId('language').lang = currentLanguage() === 'en' ? 'zh-CN' : 'en';
  byId('filter').placeholder = word('filterHint');
  byId('forget').hidden = token === '' || locked !== null;
  byId('lock').hidden = locked === null;
  byId('panes').hidden = locked !== null;
  say(byId('token-refused'), locked?.refused ? word('tokenRefused') : '');
  say(byId('token-why'), locked?.why && !locked.refused ? word('refused', { detail: locked.why }) : '');
  drawHealth();
  const shown = lists.map(drawList).reduce((a, b) => a + b);
  const loaded = open.incidents.length + resolved.incidents.length;
  say(byId('matches'), filter.trim() && seenAt ? word(lists.some((list) => list.more) ? 'matchesMore' : 'matches', { shown, loaded }) : '');
  drawDetail();
  say(byId('zone'), word('zone', { zone: zone(now()) }));
  const title = chosen ? word('detail', { id: chosen, title: incident?.title ?? '' }) : 'Larkhorn';
  document.title = open.incidents.length ? `(${open.incidents.length}${open.more ? '+' : ''}) ${title}` : title;
  tick();
}

// --- filter ----------------------------------------------------------------

function setFilter(text) {
  filter = text;
  const url = new URL(location.href);
  if (text.trim()) url.searchParams.set('filter', text);
  else url.searchParams.delete('filter');
  history.replaceState(history.state, '', url);
  draw();
}

function narrow(name, value) {
  setFilter(narrowed(filter, name, value));
  byId('filter').value = filter;
  // Where the incident covers the lists, show what the filter did.
  if (!byId('incidents').offsetParent) close();
}

// --- moving about ----------------------------------------------------------

let scrolled = 0; // where the list was before an incident covered it

function choose() {
  const [, digits] = /^#(?:inc-)?0*([1-9]\d*)$/i.exec(location.hash) ?? [];
  const id = digits ? `INC-${digits}` : null;
  if (id === chosen) return;
  const last = chosen;
  if (!last) scrolled = scrollY;
  const known = lists.flatMap((list) => list.incidents).find((i) => i.id === id);
  [chosen, incident, missing] = [id, known ? { ...known, timeline: [] } : null, false];
  draw();
  if (id) {
    byId('detail-title').focus({ preventScroll: true });
    byId('detail').scrollTop = 0;
    if (matchMedia('(max-width: 60rem)').matches) scrollTo(0, 0);
    refresh();
  } else {
    scrollTo(0, scrolled);
    document.querySelector(`a[href="#${last}"]`)?.focus({ preventScroll: true });
  }
}

function close() {
  history.pushState(null, '', location.pathname + location.search);
  choose();
}

addEventListener('hashchange', choose);
addEventListener('popstate', () => {
  filter = new URLSearchParams(location.search).get('filter') ?? '';
  byId('filter').value = filter;
  choose();
  draw();
});
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && chosen && event.target !== byId('filter')) close();
});
document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  if (!document.hidden) refresh();
});
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  byId(locked ? 'token' : 'incidents').focus();
});
byId('close').addEventListener('click', close);
byId('language').addEventListener('click', () => { switchLanguage(); draw(); });
byId('filter').addEventListener('input', (event) => setFilter(event.target.value));
byId('search').addEventListener('submit', (event) => event.preventDefault());
byId('forget').addEventListener('click', () => lock('', false));
byId('lock').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = byId('token').value.trim();
  // What no header can carry is no token.
  if (/^[\x21-\x7e]+$/.test(text)) {
    keep(text);
    refresh();
  } else {
    lock('', true);
  }
});
for (const list of lists) {
  list.box.querySelector('.more').addEventListener('click', () => { list.wanted += PAGE; refresh(); });
}

byId('filter').value = filter;
choose();
draw();
setInterval(tick, 1_000);
refresh();
