/** How a talk goes: what is sent, what is answered, and what happens when the service is away. */

import {
  BUSY_SOUND, Refused, Unreachable, endSession, fetchAudio, getSession, newTurnId, openSession, takeTurn,
} from './api.js';
import { Listener } from './listener.js';
import * as memory from './memory.js';
import { Microphone } from './microphone.js';
import { Player } from './player.js';
import { Countdown, backoff, sleep } from './wait.js';

/** Nobody speaks longer than this in one breath; guards against a message that got lost. */
const LONGEST_SPEECH_MS = 30_000;
const LONGEST_THINKING_MS = 10_000;
/** Whoever has just begun to speak is not interrupted by a hint while the service makes sure. */
const LOUD_PEAK = 0.06;
const JUST_NOW_MS = 1500;
const GRACE_MS = 3000;
const STILL = ['paused', 'waiting'];
/** On a device for everybody the talk of whoever went away is over after this. */
const LEFT_MS = 60_000;
/** Who asked to wait may be looking for a paper. */
const LEFT_PAUSED_MS = 300_000;
const WHILE_BUSY_MS = 100;
/** Those who are not let in do not all ask again in the same moment: up to so much later, as a share. */
const SPREAD = 0.2;
/** What nobody wished for in so many words is not kept while another turn is on its way. */
const BY_ITSELF = ['silence', 'rejoin'];

/** One talk after the other with whoever stands in front. */
export class Conversation {
  #labels;
  #view;
  #player;
  #microphone;
  #listener;
  #started = false;
  #session = null;
  /** The newest reply. */
  #reply = null;
  /** The reply whose sentences are being spoken; may be older than the newest. */
  #spoken = null;
  /** What of it was cut off, until something else is spoken. */
  #cut = null;
  /** What was cut off when the listener asked to wait. */
  #held = null;
  /** The turn that is on its way; only one at a time, so that the order of presses is kept. */
  #busy = null;
  /** What was pressed while a turn was on its way: the last wish, or all digits of a number. */
  #next = [];
  #offline = false;
  /** What was said to a listener who is not let in yet, because so many talk. */
  #turnedAway = null;
  #thinking = false;
  #probing = null;
  #loudAt = -Infinity;
  #hint = new Countdown();
  #thinkingLimit = new Countdown();
  #left = new Countdown();
  /** How the device is set, as far as it concerns a talk. */
  #device = { shared: false, keys_only: false };
  /** What is to be read out as soon as nobody speaks. */
  #notice = null;
  /** What was read out last: word of it may still be on its way. */
  #lastNotice = null;

  /**
   * @param {import('./view.js').View} view
   * @param {Record<string, string>} labels
   */
  constructor(view, labels) {
    this.#view = view;
    this.#labels = labels;
    this.#player = new Player(fetchAudio, {
      sentence: (index, heard) => this.#onSentence(index, heard),
      word: (from, to) => view.word(from, to),
      pause: () => view.rest(),
      end: () => this.#onSilent(),
      unreachable: () => this.#probe(),
    });
    this.#listener = new Listener({
      message: (message) => this.#onMessage(message),
      ready: () => this.#onListening(),
      lost: () => this.#onListenerLost(),
    });
    this.#microphone = new Microphone({
      samples: (samples, peak) => this.#onSamples(samples, peak),
      state: () => this.#onListening(),
      plugged: () => this.#onPlugged(),
    });
    this.#showLamp();
  }

  /** True once the start button was pressed. */
  get started() {
    return this.#started;
  }

  /**
   * Makes the sound ready; has to be called in answer to a gesture to succeed for sure.
   * @returns {Promise<boolean>}
   */
  unlock() {
    return this.#player.unlock();
  }

  /** Opens a talk, or goes on with the one that was open before the page was reloaded. */
  async start() {
    if (this.#started) return;
    this.#started = true;
    this.#view.showGuide();
    this.#onListening();
    const kept = memory.session.get();
    if (kept) await this.#rejoin(kept);
    else await this.#openTalk();
  }

  /**
   * A key was pressed, by whatever means.
   * @param {string} key
   */
  press(key) {
    if (!this.#attend()) return;
    this.#view.pressed(key);
    this.#take({ key });
  }

  /** Stops in the middle of the word, or goes on there. */
  pauseOrResume() {
    const resumes = STILL.includes(this.#reply?.state);
    if (this.#attend()) this.#take({ event: resumes ? 'resume' : 'pause' });
  }

  /** Asks for another voice. */
  changeVoice() {
    if (this.#attend()) this.#take({ event: 'voice' });
  }

  /** Begins a talk anew, with something said in it that is not the listener's: a code, or that it was paired. */
  async renew(event) {
    while (this.#busy) await sleep(WHILE_BUSY_MS);
    this.hush();
    if (this.#started) {
      this.#forgetTalk();
      await this.#openTalk();
    } else {
      await this.start();
    }
    this.hush();
    await this.#take({ event });
  }

  /**
   * The device was set from afar; what is being said goes on as it is set now.
   * @param {{shared: boolean, keys_only: boolean, loudness_db: number}} device
   * @param {boolean} again true if nothing is new
   */
  set(device, again) {
    const wasKeysOnly = this.#device.keys_only;
    this.#device = device;
    if (!again) this.#player.adjust(device.loudness_db);
    if (device.keys_only) {
      this.#listener.close();
      this.#microphone.close();
    } else if (wasKeysOnly && this.#reply) {
      this.#listen(this.#reply);
    }
  }

  /**
   * Somebody else wants something to be heard. It waits until nobody speaks and nothing is on its way.
   * @param {number} delivery
   */
  async notify(delivery) {
    if (delivery === this.#notice || delivery === this.#lastNotice) return;
    this.#notice = delivery;
    if (!this.#started) {
      if (!await this.unlock()) return this.#view.notice(this.#labels.notice_waits, 'brief');
      await this.start();
    }
    await this.#readNotice();
  }

  async #readNotice() {
    const delivery = this.#notice;
    if (delivery === null || this.#busy || this.#player.playing || this.#thinking || !this.#session) return;
    // Who asked to wait is at something else just now.
    if (this.#reply?.state === 'paused') return;
    this.#notice = null;
    this.#lastNotice = delivery;
    this.#hint.stop();
    await this.#player.chime(this.#reply?.loudness_db ?? 0);
    await this.#take({ event: 'notice', delivery });
  }

  /** True if something can be heard here. */
  get listening() {
    return this.#device.keys_only || !['denied', 'missing', 'dead'].includes(this.#microphone.state)
      && this.#reply?.listening !== false;
  }

  /** True if something can be said here. */
  get sounding() {
    return !this.#started || this.#player.sounding;
  }

  /** Silences the guide, now. */
  hush() {
    const cut = this.#player.stop();
    if (!cut) return;
    this.#cut = cut;
    this.#onSilent();
  }

  /** The listener's hand has the word. False if nothing can be done for it now. */
  #attend() {
    this.hush();
    this.#left.stop();
    this.#hint.stop();
    this.#listener.forget();
    if (this.#turnedAway !== null) {
      this.#view.notice(this.#turnedAway, 'busy');
      return false;
    }
    if (!this.#offline || !this.#busy) return true;
    this.#view.notice(this.#labels.offline, 'offline');
    return false;
  }

  // --- turns ------------------------------------------------------------------------------------

  async #take(input) {
    if (this.#busy) return this.#keepForLater(input);
    if (!this.#session) return this.#openTalk();
    const turn = { turn_id: newTurnId(), ...input };
    if (this.#cut) turn.speaking = { turn_id: this.#spoken.turn_id, sentence: this.#cut.index };
    const session = this.#session;
    await this.#alone(turn, () => takeTurn(session, turn));
  }

  #openTalk() {
    return this.#alone({}, async () => {
      const reply = await this.#letIn();
      this.#adopt(reply);
      return reply;
    });
  }

  /** Asks for a talk until there is room for one. */
  async #letIn() {
    try {
      for (;;) {
        try {
          return await openAsLiked();
        } catch (problem) {
          if (!problem.busy) throw problem;
          this.#turnAway(problem.say);
          await sleep(problem.retryAfterMs * (1 + SPREAD * Math.random()));
        }
      }
    } finally {
      this.#turnedAway = null;
    }
  }

  #turnAway(say) {
    this.#setOffline(false);
    // Once: to hear it again every few seconds would not make the waiting shorter.
    if (this.#turnedAway === null) this.#player.announce(BUSY_SOUND, memory.likes.get().loudness_db ?? 0);
    this.#turnedAway = say;
    this.#view.notice(say, 'busy');
    this.#showLamp();
  }

  async #rejoin(session) {
    this.#session = session;
    let last = null;
    const found = await this.#alone({}, async () => {
      last = await getSession(session);
      return null;
    });
    if (!found || !last) return;
    this.#adopt(last);
    this.#view.show(last);
    await this.#take({ event: 'rejoin' });
  }

  /** Does one exchange with the service and shows its reply. True if it was answered well. */
  async #alone(turn, exchange) {
    this.#busy = turn;
    this.#hint.stop();
    this.#showLamp();
    let reply = null;
    let problem = null;
    try {
      reply = await this.#insist(exchange);
    } catch (refusal) {
      if (!(refusal instanceof Refused)) throw refusal;
      problem = refusal;
    } finally {
      this.#busy = null;
    }
    const next = this.#next.shift() ?? null;
    if (reply) this.#receive(reply, next !== null);
    if (problem) await this.#refused(problem);
    else if (next) this.#take(next);
    else this.#readNotice();
    this.#showLamp();
    return problem === null;
  }

  /** Asks until there is an answer. The turn keeps its id, so nothing can happen twice. */
  async #insist(exchange) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const answer = await exchange();
        this.#setOffline(false);
        return answer;
      } catch (problem) {
        if (!(problem instanceof Unreachable)) {
          this.#setOffline(false);
          throw problem;
        }
        this.#setOffline(true);
        await sleep(backoff(attempt));
      }
    }
  }

  async #refused(problem) {
    if (problem.sessionLost && this.#session) {
      this.#forgetTalk();
      await this.#openTalk();
    }
    // It was read out elsewhere, or was called off in the meantime: nobody is told of that.
    if (problem.say && problem.code !== 'notice_gone') this.#view.notice(problem.say, 'brief');
  }

  #keepForLater(input) {
    if (input.event === 'notice') {
      // A key came first; what is to be read out waits until it is answered.
      this.#notice = input.delivery;
      return;
    }
    if (BY_ITSELF.includes(input.event)) return;
    if (input.key && this.#takesDigits) {
      // A number is its digits, each of them, in their order.
      this.#next.push(input);
      return;
    }
    // Pressed once more because nothing seemed to happen: that is not a second wish.
    const again = input.key === this.#busy.key && input.event === this.#busy.event;
    if (!again) this.#next = [input];
  }

  /** True while keys are digits of a number. */
  get #takesDigits() {
    return typeof this.#reply?.entry === 'string';
  }

  #adopt(reply) {
    this.#session = reply.session;
    this.#reply = null;
    this.#cut = null;
    this.#held = null;
    memory.session.set(reply.session);
    this.#listen(reply);
  }

  #forgetTalk() {
    this.#session = null;
    this.#reply = null;
    memory.session.set(null);
  }

  // --- replies ----------------------------------------------------------------------------------

  #receive(reply, superseded) {
    if (this.#isOld(reply)) return;
    this.#reply = reply;
    this.#thinking = false;
    this.#view.show(reply);
    this.#view.pausing(STILL.includes(reply.state));
    // A device for everybody remembers nothing of anybody.
    memory.likes.set(this.#device.shared ? {} : reply.likes);
    this.#left.stop();
    if (this.#device.shared && STILL.includes(reply.state)) {
      this.#left.start(reply.state === 'paused' ? LEFT_PAUSED_MS : LEFT_MS, () => this.#leave());
    }
    if (superseded) this.hush();
    else if (reply.sentences.length) this.#speak(reply);
    // A reply that says nothing does not cut off what is being said.
    else if (!this.#player.playing) this.#awaitListener();
    this.#showLamp();
  }

  #isOld(reply) {
    if (reply.session !== this.#session) return true;
    if (!this.#reply) return false;
    return reply.number < this.#reply.number || reply.turn_id === this.#reply.turn_id;
  }

  #speak(reply) {
    this.hush();
    this.#hint.stop();
    const paused = reply.state === 'paused';
    const held = paused && this.#spoken?.state !== 'paused' ? this.#cut : this.#held;
    this.#held = paused ? held : null;
    this.#cut = null;
    this.#spoken = reply;
    this.#player.play(reply, held);
  }

  #onSentence(index, heard) {
    this.#view.speak(index);
    this.#listener.tellSpeaking(heard ? { turn_id: this.#spoken.turn_id, sentence: index } : null);
    this.#showLamp();
  }

  #onSilent() {
    this.#listener.tellSpeaking(null);
    this.#view.quiet();
    this.#awaitListener();
    this.#showLamp();
    this.#readNotice();
  }

  /** Counts the silence, as long as it is the listener's turn. */
  #awaitListener(atLeastMs = 0) {
    this.#hint.stop();
    const seconds = this.#reply?.hint_after_s ?? null;
    if (seconds === null || this.#player.playing || this.#busy || this.#offline) return;
    this.#hint.start(Math.max(seconds * 1000, atLeastMs), () => this.#onSilence());
  }

  #onSilence() {
    const silence = () => this.#take({ event: 'silence' });
    const loud = this.#listener.ready && performance.now() - this.#loudAt < JUST_NOW_MS;
    // Once only: in a noisy room a hint has to come, too.
    if (loud) this.#hint.start(GRACE_MS, silence);
    else silence();
  }

  // --- listening --------------------------------------------------------------------------------

  async #listen(reply) {
    if (!reply.listening || this.#device.keys_only) return;
    if (!await this.#microphone.open()) return;
    if (reply.session === this.#session) this.#listener.open(reply.session);
  }

  #onSamples(samples, peak) {
    if (this.#offline) return;
    if (peak > LOUD_PEAK) this.#loudAt = performance.now();
    this.#listener.sendSamples(samples);
    if (this.#listener.ready) this.#view.level(peak);
  }

  #onListening() {
    if (!this.#listener.ready) this.#thinking = false;
    // An open microphone that nobody listens to is not called open.
    const deaf = ['on', 'dead'].includes(this.#microphone.state) && !this.#listener.ready;
    this.#view.microphone(deaf ? 'off' : this.#microphone.state);
    this.#showLamp();
  }

  /** A microphone that comes back is used at once. */
  #onPlugged() {
    if (this.#started && this.#reply) this.#listen(this.#reply);
  }

  #onMessage(message) {
    const answer = {
      hearing: () => this.#awaitListener(LONGEST_SPEECH_MS),
      thinking: () => this.#think(),
      nothing: () => this.#backToListening(),
      turn: () => this.#receive(message.reply, false),
      error: () => this.#onListenerError(message.error ?? {}),
    }[message.type];
    answer?.();
  }

  #think() {
    this.#thinking = true;
    this.#awaitListener(LONGEST_THINKING_MS);
    this.#thinkingLimit.start(LONGEST_THINKING_MS, () => this.#backToListening());
    this.#showLamp();
  }

  #backToListening() {
    this.#thinkingLimit.stop();
    this.#thinking = false;
    this.#awaitListener();
    this.#showLamp();
  }

  #onListenerError({ code, say }) {
    if (code !== 'model_missing') return;
    this.#microphone.close();
    if (say) this.#view.notice(say, 'brief');
  }

  async #onListenerLost() {
    await this.#probe();
    return this.#session !== null;
  }

  // --- away and back ----------------------------------------------------------------------------

  /** Finds out if the service is away, and waits for it if so. */
  async #probe() {
    // A turn on its way finds out by itself.
    if (this.#busy || !this.#session) return;
    this.#probing ??= this.#waitForService().finally(() => { this.#probing = null; });
    await this.#probing;
  }

  async #waitForService() {
    const session = this.#session;
    for (let attempt = 0; ; attempt += 1) {
      const found = await look(session);
      // In the meantime a key was pressed: that turn has taken over.
      if (this.#busy || session !== this.#session) return;
      if (found !== 'away') return this.#found(found);
      this.#setOffline(true);
      await sleep(backoff(attempt));
      if (this.#busy) return;
    }
  }

  #found(found) {
    const wasOffline = this.#offline;
    this.#setOffline(false);
    if (found === 'there' && wasOffline) this.#take({ event: 'rejoin' });
    if (found === 'gone') {
      this.#forgetTalk();
      // Ended while nobody did anything: no greeting into an empty room.
      if (wasOffline) this.#openTalk();
      else this.#stop();
    }
  }

  /** Whoever was here has gone: the next one begins from the beginning. */
  #leave() {
    const session = this.#session;
    this.#forgetTalk();
    this.#stop();
    this.#view.typeSize(false);
    memory.largeType.set(false);
    endSession(session).catch(() => {});
  }

  #stop() {
    this.#player.stop();
    this.#hint.stop();
    this.#view.quiet();
    this.#listener.close();
    this.#microphone.close();
    this.#started = false;
    this.#view.showStart();
    this.#showLamp();
  }

  #setOffline(offline) {
    if (offline === this.#offline) return;
    this.#offline = offline;
    if (offline) {
      this.#hint.stop();
      this.#view.notice(this.#labels.offline, 'offline');
    } else {
      this.#view.notice(this.#labels.reconnected, 'brief');
    }
    this.#showLamp();
  }

  #showLamp() {
    const lamp = this.#lamp();
    // Without a microphone nobody listens, and the lamp does not say so.
    const keysOnly = lamp === 'listening' && !this.#listener.ready;
    const label = this.#turnedAway !== null ? 'lamp_busy' : keysOnly ? 'lamp_keys' : `lamp_${lamp}`;
    this.#view.lamp(lamp, this.#labels[label]);
  }

  #lamp() {
    if (!this.#started) return 'idle';
    if (this.#offline) return 'offline';
    if (this.#busy) return 'thinking';
    if (this.#player.playing) return 'speaking';
    if (this.#thinking) return 'thinking';
    return STILL.includes(this.#reply?.state) ? 'paused' : 'listening';
  }
}

/** A new talk, in the voice, at the pace and as loud as the listener had the last one. */
async function openAsLiked() {
  try {
    return await openSession(memory.likes.get());
  } catch (problem) {
    if (!(problem instanceof Refused) || problem.busy) throw problem;
    memory.likes.set({}); // written by something else, or by a version to come
    return openSession({});
  }
}

async function look(session) {
  try {
    await getSession(session);
    return 'there';
  } catch (problem) {
    if (problem instanceof Unreachable) return 'away';
    return problem.sessionLost ? 'gone' : 'there';
  }
}
