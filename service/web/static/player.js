/** Plays the sentences of a reply one after the other, and stops at once when told to. */

import { Unreachable } from './api.js';
import { sleep } from './wait.js';

/** Characters a second: the time a sentence stays if it cannot be heard. */
const READING_CPS = 3.5;
const SHORTEST_READING_MS = 1200;
/** Pause between two sentences at the usual pace; longer if the listener wants it slower. */
const PAUSE_MS = 400;
const USUAL_CPM = 180;
/** Long enough not to crackle, far too short to be noticed. */
const FADE_S = 0.008;
/** A sound card that went away never reports the end of a sound. */
const OVERDUE_MS = 1500;
const RESUME_MS = 600;

/**
 * @typedef {object} PlayerEvents
 * @property {(index: number, heard: boolean) => void} sentence a sentence begins; heard: it sounds
 * @property {() => void} pause a sentence has ended and another one follows
 * @property {() => void} end the last sentence has ended
 * @property {() => void} unreachable a sound could not be fetched, the service is away
 */

/** The voice of the guide. */
export class Player {
  #context = null;
  #limiter = null;
  #run = null;
  #fetch;
  #events;

  /**
   * @param {(address: string, signal: AbortSignal) => Promise<ArrayBuffer>} fetchAudio
   * @param {PlayerEvents} events
   */
  constructor(fetchAudio, events) {
    this.#fetch = fetchAudio;
    this.#events = events;
  }

  /** True from play() until the end or stop(). */
  get playing() {
    return this.#run !== null;
  }

  /**
   * Makes the sound ready. Browsers allow it in answer to a gesture only.
   * @returns {Promise<boolean>} true if sound may be played
   */
  async unlock() {
    try {
      this.#context ??= this.#build();
      return await this.#running();
    } catch {
      return false; // no Web Audio at all: the text is left
    }
  }

  /**
   * Plays a reply from its first sentence. Whatever was playing is stopped.
   * @param {{sentences: {text: string, audio: string}[], pace_cpm: number, loudness_db: number}} reply
   */
  async play(reply) {
    this.stop();
    const run = { cut: new AbortController(), source: null, gain: null };
    this.#run = run;
    let next = this.#load(reply.sentences[0], run);
    for (const [index, sentence] of reply.sentences.entries()) {
      const sound = await next;
      if (this.#run !== run) return;
      next = this.#load(reply.sentences[index + 1], run);
      await this.#say(index, sentence, sound, reply.loudness_db, run);
      if (this.#run !== run) return;
      if (index + 1 < reply.sentences.length) await this.#rest(reply.pace_cpm, run);
      if (this.#run !== run) return;
    }
    this.#run = null;
    this.#events.end();
  }

  /**
   * Silence, now.
   * @returns {boolean} true if something was playing
   */
  stop() {
    const run = this.#run;
    if (!run) return false;
    this.#run = null;
    this.#cutOff(run);
    run.cut.abort();
    return true;
  }

  #build() {
    const context = new (window.AudioContext ?? window.webkitAudioContext)();
    // Above the usual loudness peaks would be clipped, which is hard to follow with a hearing aid.
    this.#limiter = new DynamicsCompressorNode(context, {
      threshold: -3, knee: 0, ratio: 20, attack: 0.002, release: 0.1,
    });
    this.#limiter.connect(context.destination);
    return context;
  }

  async #running() {
    if (!this.#context) return false;
    if (this.#context.state === 'running') return true;
    // Without a gesture resume() stays open for ever.
    await Promise.race([this.#context.resume().catch(() => {}), sleep(RESUME_MS)]);
    return this.#context.state === 'running';
  }

  /** Never rejects; null if the sentence cannot be heard. */
  async #load(sentence, run) {
    if (!sentence?.audio || !this.#context) return null;
    try {
      const encoded = await this.#fetch(sentence.audio, run.cut.signal);
      return await this.#context.decodeAudioData(encoded);
    } catch (problem) {
      if (problem instanceof Unreachable && this.#run === run) this.#events.unreachable();
      return null;
    }
  }

  async #say(index, sentence, sound, loudnessDb, run) {
    const heard = sound !== null && await this.#running();
    if (this.#run !== run) return;
    if (heard) this.#begin(sound, loudnessDb, run);
    this.#events.sentence(index, heard);
    if (heard) await Promise.race([run.ended, sleep(sound.duration * 1000 + OVERDUE_MS, run.cut.signal)]);
    else await sleep(readingTime(sentence.text), run.cut.signal);
  }

  #begin(sound, loudnessDb, run) {
    const source = new AudioBufferSourceNode(this.#context, { buffer: sound });
    const gain = new GainNode(this.#context, { gain: 10 ** ((loudnessDb || 0) / 20) });
    source.connect(gain).connect(loudnessDb > 0 ? this.#limiter : this.#context.destination);
    run.ended = new Promise((resolve) => { source.onended = resolve; });
    run.source = source;
    run.gain = gain.gain;
    source.start();
  }

  async #rest(paceCpm, run) {
    run.source = null;
    this.#events.pause();
    await sleep(PAUSE_MS * USUAL_CPM / (paceCpm || USUAL_CPM), run.cut.signal);
  }

  #cutOff(run) {
    if (!run.source) return;
    const now = this.#context.currentTime;
    run.gain.setValueAtTime(run.gain.value, now);
    run.gain.linearRampToValueAtTime(0, now + FADE_S);
    run.source.stop(now + FADE_S);
  }
}

/**
 * How long a sentence stays on the screen if it cannot be heard.
 * @param {string} text
 * @returns {number} milliseconds
 */
export function readingTime(text) {
  return Math.max(SHORTEST_READING_MS, text.length / READING_CPS * 1000);
}
