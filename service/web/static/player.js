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
/** Where the words are not known, a sentence goes on this much before the place where it was cut. */
const BACK_S = 0.5;
const WORD_ENDS = /[，、；：。？！…]/;

/**
 * A part of a sentence that is spoken without a break; mostly all of it.
 * @typedef {object} Piece
 * @property {AudioBuffer} sound
 * @property {[number, number][]} marks (index of a word's first character, second) of each word
 * @property {number | null} next number of the piece that follows
 * @property {number} from second at which it begins to be played
 */

/**
 * Where the voice was when it was cut off.
 * @typedef {object} Cut
 * @property {number} index of the sentence in its reply
 * @property {{text: string, audio: string}} sentence
 * @property {Piece | null} piece null if the sentence could not be heard; `from` is where to go on
 */

/**
 * @typedef {object} PlayerEvents
 * @property {(index: number, heard: boolean) => void} sentence a sentence begins; heard: it sounds
 * @property {(from: number, to: number) => void} word the characters from..to are being spoken
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
   * @param {typeof import('./api.js').fetchAudio} fetchAudio
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

  /** False if sound was wanted and could not be made. */
  get sounding() {
    return this.#context?.state === 'running';
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
   * @param {{sentences: {text: string, audio: string}[], pace_cpm: number, loudness_db: number,
   *   resumes: number | null}} reply
   * @param {Cut | null} [cut] where the sentence of `resumes` goes on
   */
  async play(reply, cut = null) {
    this.stop();
    const run = {
      cut: new AbortController(), index: 0, sentence: reply.sentences[0], piece: null, source: null,
      loudnessDb: reply.loudness_db, following: null,
    };
    this.#run = run;
    const first = (index) => {
      const sentence = reply.sentences[index];
      const goesOn = index === reply.resumes && cut?.piece && cut.sentence.text === sentence.text;
      return goesOn ? cut.piece : this.#load(sentence, run);
    };
    let next = first(0);
    for (const [index, sentence] of reply.sentences.entries()) {
      Object.assign(run, { index, sentence, piece: await next, source: null });
      if (this.#run !== run) return;
      next = await this.#say(run, () => first(index + 1));
      if (this.#run !== run) return;
      if (index + 1 < reply.sentences.length) await this.#rest(reply.pace_cpm, run);
      if (this.#run !== run) return;
    }
    this.#run = null;
    this.#events.end();
  }

  /**
   * Silence, now.
   * @returns {Cut | null} what was cut off, or null if nothing was playing
   */
  stop() {
    const run = this.#run;
    if (!run) return null;
    this.#run = null;
    const { index, sentence, piece } = run;
    const from = piece && restart(piece.marks, this.#position(run));
    this.#cutOff(run);
    run.cut.abort();
    return { index, sentence, piece: piece && { ...piece, from } };
  }

  /**
   * Pace, voice or loudness were changed from afar: what sounds becomes as loud at once, and the next
   * sentence is fetched again if it was fetched already.
   * @param {number} loudnessDb
   */
  adjust(loudnessDb) {
    const run = this.#run;
    if (!run) return;
    run.loudnessDb = loudnessDb;
    if (run.source) {
      run.node.disconnect();
      run.node.connect(this.#output(loudnessDb));
      run.gain.setTargetAtTime(gainOf(loudnessDb), this.#context.currentTime, FADE_S);
    }
    if (run.following) run.following.sound = run.following.load();
  }

  #build() {
    const context = new (window.AudioContext ?? window.webkitAudioContext)();
    this.#limiter = limiter(context);
    this.#limiter.connect(context.destination);
    return context;
  }

  #output(loudnessDb) {
    return loudnessDb > 0 ? this.#limiter : this.#context.destination;
  }

  /**
   * Plays the attention sound, if sound may be played.
   * @param {number} loudnessDb
   */
  async chime(loudnessDb) {
    if (await this.#running()) await sleep(chime(this.#context, loudnessDb) * 1000);
  }

  /**
   * Plays a sound that belongs to no reply; what cannot be fetched or played is left out.
   * @param {string} address
   * @param {number} loudnessDb
   */
  async announce(address, loudnessDb) {
    if (!await this.#running()) return;
    try {
      const { encoded } = await this.#fetch(address, new AbortController().signal, 0);
      const source = new AudioBufferSourceNode(this.#context, { buffer: await this.#context.decodeAudioData(encoded) });
      const gain = new GainNode(this.#context, { gain: gainOf(loudnessDb) });
      source.connect(gain).connect(this.#output(loudnessDb));
      source.start();
    } catch {
      // the same stands on the screen
    }
  }

  async #running() {
    if (!this.#context) return false;
    if (this.#context.state === 'running') return true;
    // Without a gesture resume() stays open for ever.
    await Promise.race([this.#context.resume().catch(() => {}), sleep(RESUME_MS)]);
    return this.#context.state === 'running';
  }

  /** Never rejects; null if the sentence cannot be heard. */
  async #load(sentence, run, number = 0) {
    if (!sentence?.audio || !this.#context) return null;
    try {
      const { encoded, marks, next } = await this.#fetch(sentence.audio, run.cut.signal, number);
      return { sound: await this.#context.decodeAudioData(encoded), marks, next, from: 0 };
    } catch (problem) {
      if (problem instanceof Unreachable && this.#run === run) this.#events.unreachable();
      return null;
    }
  }

  /** Says a sentence piece by piece; gives the first piece of the next one, fetched meanwhile. */
  async #say(run, loadNext) {
    const heard = run.piece !== null && await this.#running();
    if (this.#run !== run) return null;
    this.#events.sentence(run.index, heard);
    while (heard && run.piece) {
      const number = run.piece.next;
      const rest = number === null ? this.#fetchNext(run, loadNext) : this.#load(run.sentence, run, number);
      this.#begin(run);
      await this.#played(run);
      if (number === null) return this.#fetched(run);
      if (this.#run !== run) return null;
      run.piece = await rest;
      if (this.#run !== run) return null;
    }
    this.#fetchNext(run, loadNext);
    await sleep(readingTime(run.sentence.text), run.cut.signal);
    return this.#fetched(run);
  }

  #fetchNext(run, load) {
    run.following = { load, sound: load() };
  }

  #fetched(run) {
    const { sound } = run.following;
    run.following = null;
    return sound;
  }

  #begin(run) {
    const { sound, from } = run.piece;
    const source = new AudioBufferSourceNode(this.#context, { buffer: sound });
    const gain = new GainNode(this.#context);
    source.connect(gain).connect(this.#output(run.loudnessDb));
    run.ended = new Promise((resolve) => { source.onended = resolve; });
    run.source = source;
    run.node = gain;
    run.gain = gain.gain;
    gain.gain.setValueAtTime(0, this.#context.currentTime);
    gain.gain.linearRampToValueAtTime(gainOf(run.loudnessDb), this.#context.currentTime + FADE_S);
    run.began = this.#context.currentTime + (this.#context.outputLatency || 0) - from;
    source.start(0, from);
    this.#markWords(run);
  }

  /** Resolves at the end of the piece, or when it is cut off. */
  #played(run) {
    const { sound, from } = run.piece;
    return Promise.race([run.ended, sleep((sound.duration - from) * 1000 + OVERDUE_MS, run.cut.signal)]);
  }

  async #markWords(run) {
    const { piece, sentence: { text } } = run;
    for (const [i, [at, when]] of piece.marks.entries()) {
      const end = piece.marks[i + 1] ?? [text.length, piece.sound.duration];
      if (end[1] <= piece.from) continue;
      await sleep(Math.max(0, when - this.#position(run)) * 1000, run.cut.signal);
      if (this.#run !== run || run.piece !== piece) return;
      const mark = text.slice(at, end[0]).search(WORD_ENDS);
      this.#events.word(at, mark < 0 ? end[0] : at + mark);
    }
  }

  /** Second of the present piece that is heard now. */
  #position({ piece, source, began }) {
    if (!source) return piece.from;
    return Math.min(Math.max(this.#context.currentTime - began, piece.from), piece.sound.duration);
  }

  async #rest(paceCpm, run) {
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

/** @param {number} loudnessDb */
function gainOf(loudnessDb) {
  return 10 ** ((loudnessDb || 0) / 20);
}

/**
 * Above the usual loudness peaks would be clipped, which is hard to follow with a hearing aid.
 * @param {BaseAudioContext} context
 * @returns {DynamicsCompressorNode}
 */
export function limiter(context) {
  return new DynamicsCompressorNode(context, { threshold: -3, knee: 0, ratio: 20, attack: 0.002, release: 0.1 });
}

/**
 * Where a piece goes on after it was cut: at the beginning of the word, or a little before.
 * @param {[number, number][]} marks
 * @param {number} position second at which it was cut
 * @returns {number} second
 */
export function restart(marks, position) {
  const begun = marks.filter(([, when]) => when <= position).at(-1);
  return begun ? begun[1] : Math.max(0, position - BACK_S);
}

/**
 * How long a sentence stays on the screen if it cannot be heard.
 * @param {string} text
 * @returns {number} milliseconds
 */
export function readingTime(text) {
  return Math.max(SHORTEST_READING_MS, text.length / READING_CPS * 1000);
}

/** Two rising notes: somebody has something to say. Long and low enough for old ears. */
const CHIME = [[523, 0], [659, 0.35]];
const NOTE_S = 0.9;
const CHIME_DB = -12;

/**
 * Plays the attention sound.
 * @param {BaseAudioContext} context
 * @param {number} loudnessDb
 * @returns {number} seconds that it takes
 */
export function chime(context, loudnessDb) {
  for (const [frequency, after] of CHIME) {
    const note = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0 });
    const at = context.currentTime + after;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(gainOf(CHIME_DB + loudnessDb), at + 0.03);
    gain.gain.exponentialRampToValueAtTime(0.0001, at + NOTE_S);
    note.connect(gain).connect(context.destination);
    note.start(at);
    note.stop(at + NOTE_S);
  }
  return CHIME.at(-1)[1] + NOTE_S;
}
