/** The microphone: opens it and hands on what it hears. */

const RATE = 16_000;
const WORKLET = new URL('capture-worklet.js', import.meta.url);
const WANTED = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
};
/** A microphone that hears nothing at all, not even noise, is switched off at its own button. */
const DEAD_AFTER_MS = 8000;

/**
 * @typedef {object} MicrophoneEvents
 * @property {(samples: ArrayBuffer, peak: number) => void} samples 16 bit, 16 kHz, mono, 100 ms
 * @property {(state: MicrophoneState) => void} state
 * @property {() => void} plugged something was plugged in or out, while there is no microphone
 */

/** @typedef {'off' | 'on' | 'dead' | 'denied' | 'missing'} MicrophoneState */

/** One microphone. */
export class Microphone {
  #events;
  #context = null;
  #stream = null;
  #heardAt = 0;
  /** @type {MicrophoneState} */
  state = 'off';

  /** @param {MicrophoneEvents} events */
  constructor(events) {
    this.#events = events;
    navigator.mediaDevices?.addEventListener?.('devicechange', () => {
      if (this.state === 'missing') this.#events.plugged();
    });
  }

  /**
   * Opens the microphone; asks for permission if need be. Never rejects: without a microphone
   * everything else goes on.
   * @returns {Promise<boolean>} true if it is open
   */
  async open() {
    if (this.#stream) return true;
    try {
      // Missing where the page is not served from a safe address.
      if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'NotAllowedError');
      this.#stream = await navigator.mediaDevices.getUserMedia(WANTED);
      await this.#connect();
      this.#heardAt = performance.now();
      this.#become('on');
      return true;
    } catch (problem) {
      this.close();
      this.#become(isMissing(problem) ? 'missing' : 'denied');
      return false;
    }
  }

  /** Gives the microphone back. */
  close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#context?.close();
    this.#context = null;
    this.#become('off');
  }

  async #connect() {
    try {
      await this.#connectAt({ sampleRate: RATE });
    } catch {
      // Some browsers cannot change the rate of a microphone; the worklet does it then.
      await this.#context?.close();
      await this.#connectAt({});
    }
    this.#stream.getAudioTracks()[0].onended = () => this.#unplugged();
  }

  async #connectAt(options) {
    this.#context = new AudioContext(options);
    await this.#context.audioWorklet.addModule(WORKLET);
    const capture = new AudioWorkletNode(this.#context, 'capture');
    capture.port.onmessage = ({ data }) => this.#pass(data);
    this.#context.createMediaStreamSource(this.#stream).connect(capture);
    // The worklet puts out silence; it has to lead somewhere to be run at all.
    capture.connect(this.#context.destination);
    this.#context.resume().catch(() => {});
  }

  #pass({ samples, peak }) {
    // What was on its way when the microphone went does not bring it back.
    if (!this.#stream) return;
    if (peak > 0) this.#heardAt = performance.now();
    this.#become(performance.now() - this.#heardAt > DEAD_AFTER_MS ? 'dead' : 'on');
    this.#events.samples(samples, peak);
  }

  #unplugged() {
    this.close();
    this.#become('missing');
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#events.state(state);
  }
}

function isMissing(problem) {
  return ['NotFoundError', 'OverconstrainedError', 'NotReadableError'].includes(problem?.name);
}
