/** Everything that is seen. Knows the page, and nothing of how a talk goes. */

const BRIEF_MS = 6000;
const FLASH_MS = 250;
const PADDING_PX = 8;
/** So few sentences fit into the caption in larger type. */
const SHORT = 4;

/** @typedef {'idle'|'listening'|'thinking'|'speaking'|'paused'|'offline'} Lamp */
/** @typedef {'pressed'|'entry'|'shown'|'brief'|'offline'|'busy'} NoticeKind */

/** The page. */
export class View {
  #labels;
  #body = document.body;
  #welcome = byId('welcome');
  #guide = byId('guide');
  #start = byId('start');
  #title = byId('place');
  #step = byId('step');
  #telephone = byId('telephone');
  #caption = byId('caption');
  #choices = byId('choices');
  #options = byId('options');
  #notice = byId('notice');
  #noticeKind = '';
  #noticeTimer = 0;

  /** @param {Record<string, string>} labels */
  constructor(labels) {
    this.#labels = labels;
  }

  /** The start button alone. */
  showStart() {
    this.#guide.hidden = true;
    this.#welcome.hidden = false;
    this.#start.focus();
  }

  /** The guide instead of the start button. */
  showGuide() {
    const wasFocused = document.activeElement === this.#start;
    this.#welcome.hidden = true;
    this.#guide.hidden = false;
    // The button that had the focus is gone; a screen reader goes on from the heading.
    if (wasFocused) this.#title.focus({ preventScroll: true });
  }

  /**
   * Shows a reply. One without sentences leaves those of the reply before.
   * @param {object} reply
   */
  show(reply) {
    this.#body.dataset.state = reply.state;
    this.#body.dataset.node = reply.node;
    this.#body.dataset.turn = reply.turn_id;
    setText(this.#title, reply.title);
    this.#showVoice(reply.voice_label);
    this.#showStep(reply.step);
    this.#showTelephone(reply.telephone);
    this.#showChoices(reply.choices);
    if (reply.sentences.length) this.#showSentences(reply.sentences);
    this.#showKeys(typeof reply.entry === 'string');
    if (reply.shown.length) this.notice(reply.shown.join(' '), 'shown');
    else if (reply.entry) this.notice(`${this.#labels.you_pressed} ${reply.entry}`, 'entry');
    else this.clearNotice('pressed', 'entry', 'shown', 'offline', 'busy');
  }

  /**
   * Marks the sentence that is being spoken.
   * @param {number} index
   */
  speak(index) {
    this.#body.dataset.playing = index;
    const sentences = [...this.#caption.children];
    sentences.forEach((sentence, i) => sentence.classList.toggle('now', i === index));
    this.#bringUp(sentences[index]);
  }

  /**
   * Marks the word that is being spoken. Without the CSS Custom Highlight API nothing is marked:
   * to change the text itself would make a screen reader say it again.
   * @param {number} from index of its first character in the sentence
   * @param {number} to index behind its last
   */
  word(from, to) {
    const text = this.#caption.querySelector('.now')?.firstChild;
    if (!text || !globalThis.Highlight) return;
    const word = document.createRange();
    word.setStart(text, Math.min(from, text.length));
    word.setEnd(text, Math.min(to, text.length));
    CSS.highlights.set('word', new Highlight(word));
  }

  /** The sentence has ended; its mark stays until the next one begins. */
  rest() {
    delete this.#body.dataset.playing;
    globalThis.CSS?.highlights?.delete('word');
  }

  /** Nothing is being spoken. */
  quiet() {
    this.rest();
    for (const sentence of this.#caption.children) sentence.classList.remove('now');
  }

  /** @param {boolean} paired true: somebody cares for this device */
  paired(paired) {
    this.#body.dataset.paired = paired;
    setText(byId('pair'), this.#labels[paired ? 'paired' : 'pair']);
  }

  /** @param {boolean} paused true: the button goes on, and does not stop */
  pausing(paused) {
    const button = byId('pause');
    button.dataset.does = paused ? 'resume' : 'pause';
    setText(byId('pause-text'), this.#labels[button.dataset.does]);
  }

  /**
   * @param {Lamp} lamp
   * @param {string} text
   */
  lamp(lamp, text) {
    if (this.#body.dataset.lamp !== lamp) this.#body.dataset.lamp = lamp;
    setText(byId('lamp-text'), text);
  }

  /**
   * @param {'off' | 'on' | 'dead' | 'denied' | 'missing'} state
   */
  microphone(state) {
    const label = {
      off: 'mic_off', on: 'mic_on', dead: 'heard_nothing', denied: 'mic_denied', missing: 'mic_missing',
    }[state];
    byId('microphone').dataset.state = state;
    setText(byId('microphone-text'), this.#labels[label]);
    if (state !== 'on') this.level(0);
  }

  /**
   * Shows how loud it is at the microphone, in three strokes.
   * @param {number} peak 0 to 1
   */
  level(peak) {
    const strokes = peak > 0.2 ? 3 : peak > 0.06 ? 2 : peak > 0.015 ? 1 : 0;
    byId('microphone').dataset.level = strokes;
  }

  /**
   * One line for what is shown and not spoken.
   * @param {string} text
   * @param {NoticeKind} kind a brief one goes by itself
   */
  notice(text, kind) {
    clearTimeout(this.#noticeTimer);
    this.#noticeKind = kind;
    this.#notice.dataset.kind = kind;
    setText(this.#notice, text);
    if (kind === 'brief') this.#noticeTimer = setTimeout(() => this.clearNotice('brief'), BRIEF_MS);
  }

  /** @param {...NoticeKind} kinds only a notice of these kinds is taken away */
  clearNotice(...kinds) {
    if (!kinds.includes(this.#noticeKind)) return;
    this.#noticeKind = '';
    delete this.#notice.dataset.kind;
    setText(this.#notice, '');
  }

  /**
   * Answers a press before the service does.
   * @param {string} key
   */
  pressed(key) {
    this.notice(`${this.#labels.you_pressed} ${key}`, 'pressed');
    for (const button of this.#guide.querySelectorAll(`button[data-key="${key}"]`)) {
      button.classList.add('pressed');
      setTimeout(() => button.classList.remove('pressed'), FLASH_MS);
    }
  }

  /**
   * @param {boolean} large
   */
  typeSize(large) {
    document.documentElement.classList.toggle('large', large);
    setText(byId('type-size'), large ? this.#labels.smaller : this.#labels.larger);
  }

  /**
   * What the keys are called.
   * @param {boolean} digits true: they are digits of a number
   */
  #showKeys(digits) {
    const names = digits ? this.#labels.digit_names : this.#labels.key_names;
    for (const button of document.querySelectorAll('#keypad button')) {
      setText(button.querySelector('.name'), names[button.dataset.key] ?? '');
    }
  }

  /** @param {string} number to be called at once; empty: none */
  #showTelephone(number) {
    this.#telephone.hidden = !number;
    const link = this.#telephone.firstElementChild;
    setText(link, number);
    if (number) link.href = `tel:${number}`;
  }

  /** Nothing to choose: no button. */
  #showVoice(label) {
    byId('voice').hidden = !label;
    setText(byId('voice-name'), label);
  }

  #showStep(step) {
    this.#step.hidden = !step;
    if (!step) return;
    const text = this.#labels.step_progress
      .replace('{ordinal}', step.number).replace('{count}', step.count);
    setText(byId('step-text'), text);
    const marks = Array.from({ length: step.count }, (_, i) => {
      const mark = document.createElement('span');
      mark.className = i + 1 < step.number ? 'done' : i + 1 === step.number ? 'here' : '';
      return mark;
    });
    byId('step-marks').replaceChildren(...marks);
  }

  #showChoices(choices) {
    const hadFocus = this.#choices.contains(document.activeElement);
    const template = byId('choice');
    this.#options.classList.toggle('none', choices.length === 0);
    this.#choices.replaceChildren(...choices.map(({ key, label }) => {
      const item = template.content.cloneNode(true);
      item.querySelector('button').dataset.key = key;
      item.querySelector('.number').textContent = key;
      item.querySelector('.label').textContent = label;
      return item;
    }));
    // Who goes by the keyboard stays among the choices and does not start at the top again.
    if (hadFocus) this.#options.focus({ preventScroll: true });
  }

  #showSentences(sentences) {
    // Once for a screen reader: the marks that follow change classes, never the text.
    this.#caption.replaceChildren(...sentences.map(({ text }) => {
      const line = document.createElement('p');
      line.textContent = text;
      return line;
    }));
    this.#caption.classList.toggle('short', sentences.length <= SHORT);
    this.#caption.scrollTop = 0;
  }

  /** Scrolls to the sentence, with the one before it in sight if both have room. */
  #bringUp(sentence) {
    if (!sentence) return;
    const before = sentence.previousElementSibling ?? sentence;
    const bottom = sentence.offsetTop + sentence.offsetHeight;
    const both = bottom - before.offsetTop <= this.#caption.clientHeight * 0.9;
    const top = (both ? before : sentence).offsetTop - PADDING_PX;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#caption.scrollTo({ top, behavior: calm ? 'auto' : 'smooth' });
  }
}

function byId(id) {
  return document.getElementById(id);
}

/** Leaves an element alone that says this already: a live region would say it again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
