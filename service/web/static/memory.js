/** What the page remembers. A browser may forbid it; then nothing is remembered, and that is all. */

/** The talk in progress, so that a reloaded page goes on. */
export const session = {
  /** @returns {string | null} */
  get: () => read('sessionStorage', 'session'),
  /** @param {string | null} id */
  set: (id) => write('sessionStorage', 'session', id),
};

/** How the listener at this device likes to be spoken to: voice, pace and loudness. */
export const likes = {
  /** @returns {{voice?: string, pace_cpm?: number, loudness_db?: number}} */
  get: () => parsed(read('localStorage', 'likes')),
  /** @param {object} likes of a reply */
  set: (likes) => write('localStorage', 'likes', JSON.stringify(likes)),
};

/** Whether large type was chosen on this device. */
export const largeType = {
  /** @returns {boolean} */
  get: () => read('localStorage', 'type') === 'large',
  /** @param {boolean} large */
  set: (large) => write('localStorage', 'type', large ? 'large' : null),
};

/** Whether this page is a device, and the version of its settings that it has taken over. */
export const device = {
  /** @returns {boolean} */
  get: () => read('localStorage', 'device') !== null,
  /** @param {boolean} is */
  set: (is) => write('localStorage', 'device', is ? device.version() || '0' : null),
  /** @returns {number} */
  version: () => Number(read('localStorage', 'device') ?? 0),
  /** @param {number} version */
  adopt: (version) => write('localStorage', 'device', String(version)),
};

/** Something else may have written there: what is no object counts as nothing. */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === 'object' && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

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
