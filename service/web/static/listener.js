/** The WebSocket over which the service listens. */

import { listenAddress } from './api.js';
import { backoff, sleep } from './wait.js';

/** More than this waiting to be sent (over half a minute of sound) would be answered too late. */
const TOO_MUCH_WAITING = 1_000_000;
/** Errors after which connecting again is of no use. */
const FINAL = ['model_missing'];

/**
 * @typedef {object} ListenerEvents
 * @property {(message: object) => void} message
 * @property {(ready: boolean) => void} ready the service listens, or does not any more
 * @property {() => Promise<boolean>} lost the connection went; resolves to true if it is worth
 *   connecting again
 */

/** One connection, made again when it is lost. */
export class Listener {
  #events;
  #socket = null;
  #wanted = null;
  #ready = false;
  #speaking = null;

  /** @param {ListenerEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /** True if the service listens. */
  get ready() {
    return this.#ready;
  }

  /**
   * Listens for a talk, until close().
   * @param {string} session
   */
  async open(session) {
    this.close();
    const wanted = new AbortController();
    this.#wanted = wanted;
    for (let attempt = 0; !wanted.signal.aborted; attempt += 1) {
      const { final, wasReady } = await this.#connection(session, wanted.signal);
      if (wanted.signal.aborted || final) return;
      if (wasReady) attempt = 0;
      const again = await this.#events.lost();
      if (!again) return;
      await sleep(backoff(attempt), wanted.signal);
    }
  }

  /** Listens no more. */
  close() {
    this.#wanted?.abort();
    this.#wanted = null;
    this.#socket?.close();
    this.#socket = null;
    this.#setReady(false);
  }

  /**
   * Sound is dropped rather than kept if nobody takes it.
   * @param {ArrayBuffer} samples
   */
  sendSamples(samples) {
    if (!this.#ready || this.#socket.bufferedAmount > TOO_MUCH_WAITING) return;
    this.#socket.send(samples);
  }

  /**
   * Tells what the voice of the guide is doing.
   * @param {{turn_id: string, sentence: number} | null} speaking null: it is silent
   */
  tellSpeaking(speaking) {
    this.#speaking = speaking;
    this.#tell(speaking ? { type: 'speaking', ...speaking } : { type: 'silent' });
  }

  /** A key was pressed: what was being said is not wanted any more. */
  forget() {
    this.#tell({ type: 'forget' });
  }

  /** Resolves when the connection has ended. */
  #connection(session, signal) {
    return new Promise((resolve) => {
      const socket = new WebSocket(listenAddress(session));
      let final = false;
      let wasReady = false;
      socket.binaryType = 'arraybuffer';
      this.#socket = socket;
      socket.onmessage = ({ data }) => {
        if (signal.aborted || typeof data !== 'string') return;
        const message = JSON.parse(data);
        if (message.type === 'ready') {
          wasReady = true;
          this.#nowReady();
        }
        if (message.type === 'error') final = FINAL.includes(message.error?.code);
        this.#events.message(message);
      };
      socket.onclose = () => {
        if (!signal.aborted) this.#setReady(false);
        resolve({ final, wasReady });
      };
    });
  }

  #nowReady() {
    this.#setReady(true);
    if (this.#speaking) this.tellSpeaking(this.#speaking);
  }

  #setReady(ready) {
    if (ready === this.#ready) return;
    this.#ready = ready;
    this.#events.ready(ready);
  }

  #tell(message) {
    if (this.#ready) this.#socket.send(JSON.stringify(message));
  }
}
