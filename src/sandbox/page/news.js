// Fetches the sandbox's state at the start and after every change.

/**
 * `take` gets the state as text, `lamp` hears whether news come in; `still`
 * fetches once only.
 */
export function follow({ take, lamp, still }) {
  let fetching = false;
  let again = false;

  /** Requests that come meanwhile make one more. */
  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      take(await (await fetch('/sandbox/state')).text());
    } catch {
      lamp(false);
    }
    fetching = false;
    if (again) { again = false; setTimeout(refresh, 120); }
  }

  function listen() {
    const events = new EventSource('/sandbox/events');
    events.addEventListener('open', () => lamp(true));
    events.addEventListener('change', refresh);
    events.addEventListener('error', () => {
      lamp(false);
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    });
  }

  if (still) {
    refresh();
    return;
  }
  listen();
  setInterval(refresh, 5_000);
}
