/** The twelve keys, pressed on a number pad or a keyboard. */

/** The same key again within this time is one press (EN 301 549, 5.8): hands may tremble. */
export const SAME_KEY_MS = 400;

/** By position, so that a number pad also works while NumLock is off. */
const BY_CODE = {
  NumpadDecimal: '*', NumpadComma: '*', NumpadMultiply: '*', NumpadAdd: '#', NumpadEnter: '#',
};
const BY_KEY = { '*': '*', '#': '#', '+': '#', Enter: '#', Backspace: '*', Escape: '*' };
const IGNORED = ['NumpadSubtract', 'NumpadDivide', 'NumLock'];

/**
 * Which of the twelve keys an event of the keyboard means.
 * @param {KeyboardEvent} event
 * @returns {string | null} "0".."9", "*", "#", or null if it is not one of ours
 */
export function keyOf(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  if (IGNORED.includes(event.code)) return null;
  if (event.code in BY_CODE) return BY_CODE[event.code];
  if (/^Numpad\d$/.test(event.code)) return event.code.at(-1);
  if (/^\d$/.test(event.key)) return event.key;
  if (event.key in BY_KEY) return BY_KEY[event.key];
  return event.key === 'Process' ? behindInputMethod(event) : null;
}

/** A Chinese input method that is switched on hides the key; its place on the board is left. */
function behindInputMethod(event) {
  const digit = /^Digit(\d)$/.exec(event.code)?.[1];
  if (!digit) return null;
  if (!event.shiftKey) return digit;
  return { 3: '#', 8: '*' }[digit] ?? null;
}

/** Takes several presses of one key in quick succession as one. */
export class Debounce {
  #key = '';
  #at = -Infinity;

  /**
   * The time counts from the last contact, so that a trembling finger stays one press.
   * @param {string} key
   * @param {number} [now] milliseconds
   * @returns {boolean} true if this is a press of its own
   */
  accepts(key, now = performance.now()) {
    const again = this.isAgain(key, now);
    this.#key = key;
    this.#at = now;
    return !again;
  }

  /**
   * Looks without counting.
   * @param {string} key
   * @param {number} [now] milliseconds
   * @returns {boolean} true if a press now would belong to the press before
   */
  isAgain(key, now = performance.now()) {
    return key === this.#key && now - this.#at < SAME_KEY_MS;
  }
}
