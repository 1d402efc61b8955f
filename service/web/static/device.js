/** This page as a device that somebody cares for: pairing, settings from afar, and what is to be read out. */

import { DEVICE_EVENTS, Refused, Unreachable, checkDevice, registerDevice } from './api.js';
import * as memory from './memory.js';

const CHECK_EVERY_MS = 30_000;

/**
 * @typedef {object} DeviceEvents
 * @property {() => {listening: boolean, sounding: boolean}} able what the page can do just now
 * @property {(device: object, again: boolean) => void} set how the device is set; again: for the first
 *   time since the page was loaded, and as it was before
 * @property {(paired: boolean) => void} joined somebody cares for it now, or does no more
 * @property {(delivery: number) => void} notice something is to be read out
 */

/** The device. */
export class Device {
  #events;
  #stream = null;
  #state = null;
  #checking = false;
  #again = false;

  /** @param {DeviceEvents} events */
  constructor(events) {
    this.#events = events;
    if (memory.device.get()) this.#connect();
  }

  /** True if somebody cares for it, as far as is known. */
  get paired() {
    return Boolean(this.#state?.paired);
  }

  /** True if it is for everybody and has to forget each listener. */
  get shared() {
    return Boolean(this.#state?.shared);
  }

  /**
   * Makes this page a device, so that it can be paired.
   * @returns {Promise<boolean>} false if the service is away
   */
  async register() {
    try {
      const state = await registerDevice();
      memory.device.set(true);
      this.#connect();
      this.#take(state);
      return true;
    } catch (problem) {
      if (problem instanceof Unreachable || problem instanceof Refused) return false;
      throw problem;
    }
  }

  /** Asks for the newest state; what came meanwhile is asked for afterwards. */
  async check() {
    if (this.#checking) {
      this.#again = true;
      return;
    }
    this.#checking = true;
    try {
      this.#take(await checkDevice(this.#events.able()));
    } catch (problem) {
      if (problem instanceof Refused && problem.status === 401) this.#forget();
      else if (!(problem instanceof Unreachable || problem instanceof Refused)) throw problem;
    } finally {
      this.#checking = false;
    }
    if (!this.#again) return;
    this.#again = false;
    await this.check();
  }

  #connect() {
    if (this.#stream) return;
    this.#stream = new EventSource(DEVICE_EVENTS);
    this.#stream.addEventListener('changed', () => this.check());
    this.#stream.addEventListener('open', () => this.check());
    this.timer = setInterval(() => this.check(), CHECK_EVERY_MS);
    this.check();
  }

  #take(state) {
    const before = this.#state;
    this.#state = state;
    // Before it is adopted for the first time nobody can tell whether it is new to this page.
    if (state.paired && state.version !== memory.device.version()) {
      memory.device.adopt(state.version);
      this.#events.set(state, false);
    } else if (!before) {
      this.#events.set(state, true);
    }
    if (before && before.paired !== state.paired) this.#events.joined(state.paired);
    if (state.notice !== null) this.#events.notice(state.notice);
  }

  #forget() {
    const wasPaired = this.paired;
    this.#stream?.close();
    this.#stream = null;
    clearInterval(this.timer);
    this.#state = null;
    memory.device.set(false);
    // Nobody sets this page from afar any more: it is an ordinary one again.
    this.#events.set({ paired: false, shared: false, keys_only: false, loudness_db: 0 }, true);
    if (wasPaired) this.#events.joined(false);
  }
}
