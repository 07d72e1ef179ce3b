// Every word of the page, in both languages.

const WORDS = {
  en: {
    title: 'Two phones', subtitle: 'what people on call see in Feishu',
    footer: 'A sandbox: no message leaves this machine.',
    live: 'live', offline: 'reconnecting …', still: 'snapshot', switch: '中文',
    messages: 'messages', edits: 'edits', app: 'app', sms: 'SMS', phone: 'calls', pins: 'pins',
    lock: 'Lock screen', chats: 'Messages', person: 'Whose phone', nobody: 'nobody yet',
    quiet: 'All quiet', quietMore: 'Send an alert and watch this phone.',
    noChats: 'No chats yet', pinned: 'On top', bot: 'BOT', group: (n) => `${n} members`, direct: 'Direct message',
    urgentApp: 'Urgent', urgentSms: 'Messages', urgentPhone: 'Incoming call',
    sentence: (bot) => `${bot} sent you an urgent message, open Feishu for details`,
    missed: 'Missed call', feishu: 'Feishu', caller: 'Feishu urgent call', decline: 'Decline', answer: 'Answer',
    urgentTag: '[Urgent] ', smsFrom: 'SMS', recalled: 'This message was recalled.', now: 'now',
    minutes: (n) => `${n} min ago`, hours: (n) => `${n} h ago`,
    edited: (n) => `edited ${n}×`, older: 'Older version', newer: 'Newer version', asOf: (t) => `as of ${t}`,
    read: (n) => `read by ${n}`, urged: 'buzzed', image: 'image', chart: 'chart', all: 'all', back: 'Back',
    unknown: (what) => `[${what}]`, later: 'This button does nothing until an app opens a long connection or sets a callback address: POST /sandbox/callback',
    cancel: 'Cancel', confirm: 'Confirm', react: 'Add a reaction', reply: 'Reply', say: 'ack, 2h, resolve …', send: 'Send',
    alone: 'Write without replying',
    emoji: { OnIt: 'On it', Get: 'Got it', OneSecond: 'One moment', DONE: 'Done', OK: 'OK', LGTM: 'LGTM', THUMBSUP: '+1', CheckMark: '✓', CrossMark: '✗', Alarm: 'Alarm', Fire: 'Fire' }, refused: 'Possible from the sandbox’s own machine only', buzzWord: { app: 'app', sms: 'SMS', phone: 'call' },
  },
  zh: {
    title: '两部手机', subtitle: '值班同学在飞书里看到的样子',
    footer: '沙盒环境：消息不会离开本机。',
    live: '实时', offline: '正在重连 …', still: '快照', switch: 'EN',
    messages: '消息', edits: '更新', app: '应用内', sms: '短信', phone: '电话', pins: '置顶',
    lock: '锁屏', chats: '消息', person: '谁的手机', nobody: '还没有人',
    quiet: '一切安静', quietMore: '发一条告警，看看这部手机的反应。',
    noChats: '还没有会话', pinned: '即时提醒', bot: '机器人', group: (n) => `${n} 名成员`, direct: '单聊',
    urgentApp: '加急', urgentSms: '信息', urgentPhone: '来电',
    sentence: (bot) => `${bot} 给你发了一条加急消息，请打开飞书查看详情`,
    missed: '未接来电', feishu: '飞书', caller: '飞书加急电话', decline: '拒绝', answer: '接听',
    urgentTag: '[加急] ', smsFrom: '短信', recalled: '此消息已撤回', now: '刚刚',
    minutes: (n) => `${n} 分钟前`, hours: (n) => `${n} 小时前`,
    edited: (n) => `已更新 ${n} 次`, older: '较早版本', newer: '较新版本', asOf: (t) => `${t} 的版本`,
    read: (n) => `${n} 人已读`, urged: '已加急', image: '图片', chart: '图表', all: '所有人', back: '返回',
    unknown: (what) => `[${what}]`, later: '应用建立长连接，或设置回调地址（POST /sandbox/callback）后，按钮才可用',
    cancel: '取消', confirm: '确定', react: '添加表情回复', reply: '回复', say: '认领、2h、解决…', send: '发送',
    alone: '不引用，直接发送',
    emoji: { OnIt: '在做了', Get: '了解', OneSecond: '稍等', DONE: '完成', OK: 'OK', LGTM: 'LGTM', THUMBSUP: '赞', CheckMark: '✓', CrossMark: '✗', Alarm: '警报', Fire: '火' }, refused: '只能在沙盒所在的机器上操作', buzzWord: { app: '应用内', sms: '短信', phone: '电话' },
  },
};

const asked = new URLSearchParams(location.search).get('lang');
let language = WORDS[asked] ? asked : (localStorage.getItem('language') || (navigator.language.startsWith('zh') ? 'zh' : 'en'));
if (!WORDS[language]) language = 'en';

export const locale = () => (language === 'zh' ? 'zh-CN' : 'en-GB');

/** The words for a key; functions get the rest of the arguments. */
export function word(key, ...rest) {
  const found = WORDS[language][key];
  return typeof found === 'function' ? found(...rest) : found;
}

export function switchLanguage() {
  language = language === 'zh' ? 'en' : 'zh';
  localStorage.setItem('language', language);
}

/** An element with attributes and children; text is always text. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** An icon of the page's symbols. */
export function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(space, 'use');
  use.setAttribute('href', `#${name}`);
  svg.append(use);
  return svg;
}
