/** Waiting: short pauses that can be cut off, and the times between attempts. */

const BACKOFF_S = [0.5, 1, 2, 4, 5];

/**
 * Time before the next attempt: quick at first, then every five seconds.
 * @param {number} attempt 0 for the first attempt that failed
 * @returns {number} milliseconds
 */
export function backoff(attempt) {
  return BACKOFF_S[Math.min(attempt, BACKOFF_S.length - 1)] * 1000;
}

/**
 * Resolves after a time, or as soon as the signal is aborted. Never rejects: the caller looks at
 * the signal if it wants to know which it was.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
}

/** One timer that is started anew, or stopped. */
export class Countdown {
  #timer = 0;

  /**
   * @param {number} ms
   * @param {() => void} expired
   */
  start(ms, expired) {
    this.stop();
    this.#timer = setTimeout(expired, ms);
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
