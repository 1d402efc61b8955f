/** What the page remembers. A browser may forbid it; then nothing is remembered, and that is all. */

/** The talk in progress, so that a reloaded page goes on. */
export const session = {
  /** @returns {string | null} */
  get: () => read('sessionStorage', 'session'),
  /** @param {string | null} id */
  set: (id) => write('sessionStorage', 'session', id),
};

/** Whether large type was chosen on this device. */
export const largeType = {
  /** @returns {boolean} */
  get: () => read('localStorage', 'type') === 'large',
  /** @param {boolean} large */
  set: (large) => write('localStorage', 'type', large ? 'large' : null),
};

/** Even to mention a storage that is forbidden throws; so it is looked up inside the try. */
function read(storage, name) {
  try {
    return window[storage].getItem(name);
  } catch {
    return null;
  }
}

function write(storage, name, value) {
  try {
    if (value === null) window[storage].removeItem(name);
    else window[storage].setItem(name, value);
  } catch {
    // forbidden, or full
  }
}
