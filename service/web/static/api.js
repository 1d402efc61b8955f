/** The HTTP side of the service: sessions, turns and the audio of sentences. */

const BASE = new URL('api/v1/', document.baseURI);
const TURN_TIMEOUT_MS = 15_000;
const AUDIO_TIMEOUT_MS = 10_000;
/** What a proxy answers while the service behind it is away. */
const AWAY = [502, 503, 504];
/** What the database did not confirm may be kept all the same: only the same turn, sent again, cannot happen twice. */
const AGAIN = ['store_failed'];
/** Time before the next try where the answer does not say it. */
const RETRY_AFTER_S = 5;

/** The service could not be reached; the same request may be sent again. */
export class Unreachable extends Error {}

/** The service answered with an error of its own. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {{code?: string, message?: string, say?: string}} error
   * @param {number} retryAfterS seconds after which it is worth while to ask again
   */
  constructor(status, error, retryAfterS = RETRY_AFTER_S) {
    super(error.message ?? `status ${status}`);
    this.status = status;
    this.code = error.code ?? '';
    this.say = error.say ?? '';
    this.retryAfterMs = retryAfterS * 1000;
  }

  /** True if so many talk that nobody else is let in for a while. */
  get busy() {
    return this.code === 'busy';
  }

  /** True if there is no such talk (any more), so that a new one has to be opened. */
  get sessionLost() {
    return this.status === 404 || this.status === 410;
  }
}

/**
 * An identifier nobody else makes. randomUUID exists in a secure context only, and a tablet may
 * well open this page by plain http in the local network.
 * @returns {string}
 */
export function newTurnId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Opens a talk.
 * @param {{voice?: string, pace_cpm?: number, loudness_db?: number}} likes as in a Reply before
 * @returns {Promise<object>} the greeting, a Reply
 */
export function openSession(likes) {
  return request('POST', 'sessions', likes);
}

/**
 * @param {string} session
 * @returns {Promise<object>} the Reply of the last turn
 */
export function getSession(session) {
  return request('GET', `sessions/${encodeURIComponent(session)}`);
}

/**
 * Takes a turn. Sending the same turn_id again is safe.
 * @param {string} session
 * @param {{turn_id: string, key?: string, event?: string, delivery?: number,
 *   speaking?: {turn_id: string, sentence: number}}} turn speaking: what was cut off by it
 * @returns {Promise<object>} a Reply
 */
export function takeTurn(session, turn) {
  return request('POST', `sessions/${encodeURIComponent(session)}/turns`, turn);
}

/**
 * Makes this page a device that can be paired, if it is none yet.
 * @returns {Promise<object>} the Device
 */
export function registerDevice() {
  return request('POST', 'device', null);
}

/**
 * Says that the device is there.
 * @param {{listening: boolean, sounding: boolean}} able
 * @returns {Promise<object>} the Device as it is set
 */
export function checkDevice(able) {
  return request('POST', 'device/check', able);
}

/**
 * Closes a talk for good.
 * @param {string} session
 */
export function endSession(session) {
  return reach(new URL(`sessions/${encodeURIComponent(session)}`, BASE), { method: 'DELETE', keepalive: true });
}

/** Address of the sound of what a refusal says to whoever is not let in. */
export const BUSY_SOUND = new URL('busy', BASE).href;

/** Address of the server-sent events of this device. */
export const DEVICE_EVENTS = new URL('device/events', BASE).href;

/**
 * @param {string} address as given in a sentence of a Reply
 * @param {AbortSignal} signal
 * @param {number} piece 0, or what `next` of the piece before says
 * @returns {Promise<{encoded: ArrayBuffer, marks: [number, number][], next: number | null}>}
 *   an encoded sound; (index of a word's first character, second) of its words if they are known;
 *   the number of the piece of the same sentence that follows
 */
export async function fetchAudio(address, signal, piece) {
  const limit = AbortSignal.any
    ? AbortSignal.any([signal, AbortSignal.timeout(AUDIO_TIMEOUT_MS)]) : signal;
  const response = await reach(piece ? `${address}?piece=${piece}` : address, { signal: limit });
  if (!response.ok) throw new Refused(response.status, {});
  const marks = response.headers.get('Speech-Marks') ?? '';
  const next = response.headers.get('Speech-Next');
  return {
    encoded: await response.arrayBuffer(),
    marks: marks.split(' ').filter(Boolean).map((mark) => mark.split(':').map(Number)),
    next: next === null ? null : Number(next),
  };
}

/**
 * @param {string} session
 * @returns {string} address of the WebSocket that listens for this talk
 */
export function listenAddress(session) {
  const address = new URL('listen', BASE);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  address.searchParams.set('session', session);
  return address.href;
}

async function request(method, path, body) {
  const options = { method, cache: 'no-store', headers: { Accept: 'application/json' } };
  if (body) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  // A connection that hangs counts as lost; the same turn can be sent again without harm.
  if (AbortSignal.timeout) options.signal = AbortSignal.timeout(TURN_TIMEOUT_MS);
  const response = await reach(new URL(path, BASE), options);
  const answer = await readJson(response);
  if (response.ok && answer) return answer;
  const away = !answer?.error && (response.ok || AWAY.includes(response.status));
  if (away || AGAIN.includes(answer?.error?.code)) {
    throw new Unreachable(`no answer, status ${response.status}`);
  }
  throw new Refused(response.status, answer?.error ?? {}, Number(response.headers.get('Retry-After')) || undefined);
}

async function reach(address, options) {
  try {
    return await fetch(address, options);
  } catch (problem) {
    throw new Unreachable(String(problem));
  }
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    return null; // cut off half-way, or a page made by a proxy
  }
}
