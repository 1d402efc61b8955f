/** The recorder: a take from the microphone as a WAV file, untouched by the browser. */

const WORKLET = new URL('family-worklet.js', import.meta.url);
/** The browser's own cleaning is made for calls: it swallows soft ends. The service cleans. */
const WANTED = {
  audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
};
const HEADER_BYTES = 44;

/** One microphone, opened for the first take and kept open for the next. */
export class Recorder {
  #onLevel;
  #stream = null;
  #context = null;
  #blocks = null;
  #rate = 48_000;

  /** @param {(peak: number, seconds: number) => void} onLevel while recording, 20 times a second */
  constructor(onLevel) {
    this.#onLevel = onLevel;
  }

  /**
   * Begins a take. Rejects with a DOMException if there is no microphone or no permission.
   * @returns {Promise<void>}
   */
  async start() {
    if (!this.#context) await this.#open();
    await this.#context.resume();
    this.#blocks = [];
  }

  /** @returns {Blob} the take as a WAV file */
  stop() {
    const blocks = this.#blocks ?? [];
    this.#blocks = null;
    return wav(blocks, this.#rate);
  }

  /** Gives the microphone back. */
  close() {
    this.#blocks = null;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#context?.close();
    this.#context = null;
  }

  async #open() {
    // Missing where the page is not served from a safe address.
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'NotAllowedError');
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia(WANTED);
      // Pulled out: the next take looks for a microphone again.
      this.#stream.getAudioTracks()[0].onended = () => this.close();
      this.#context = new AudioContext();
      this.#rate = this.#context.sampleRate;
      await this.#context.audioWorklet.addModule(WORKLET);
      const record = new AudioWorkletNode(this.#context, 'record', { channelCount: 1, channelCountMode: 'explicit' });
      record.port.onmessage = ({ data }) => this.#take(data);
      this.#context.createMediaStreamSource(this.#stream).connect(record);
      // The worklet puts out silence; it has to lead somewhere to be run at all.
      record.connect(this.#context.destination);
    } catch (problem) {
      this.close();
      throw problem;
    }
  }

  #take(block) {
    if (!this.#blocks) return;
    this.#blocks.push(block);
    const peak = block.reduce((highest, sample) => Math.max(highest, Math.abs(sample)), 0);
    this.#onLevel(peak, this.#blocks.length * block.length / this.#context.sampleRate);
  }
}

/** 16 bit, mono. */
function wav(blocks, rate) {
  const count = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * count));
  header(view, rate, 2 * count);
  let at = HEADER_BYTES;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([view], { type: 'audio/wav' });
}

function header(view, rate, dataBytes) {
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, dataBytes, true);
}
