/** The panel's pages show what changes while they are open. */

const PART = 'live';
const RENEW_EVERY_MS = 60_000;

/** Puts the newest state of this page in place, unless somebody is just writing there. */
async function renew() {
  const part = document.getElementById(PART);
  if (!part || part.contains(document.activeElement) || part.querySelector('details[open]')) return;
  let text;
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, cache: 'no-store' });
    if (!answer.ok || answer.redirected) return;
    text = await answer.text();
  } catch {
    return; // the line is down; the stream will say when it is back
  }
  const fresh = new DOMParser().parseFromString(text, 'text/html').getElementById(PART);
  if (fresh) part.replaceWith(document.adoptNode(fresh));
}

if (document.body.dataset.live !== undefined) {
  const events = new EventSource('/panel/events');
  events.addEventListener('changed', renew);
  // What changed while the stream was away was told to nobody.
  events.addEventListener('open', renew);
  // That nothing was heard of a device is no event.
  setInterval(renew, RENEW_EVERY_MS);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) renew(); });
}
