/**
 * Turns what the microphone hears into 16 bit samples at 16 kHz and hands them on about ten times
 * a second. Runs on the audio thread.
 */

const TARGET_RATE = 16_000;
const CHUNK = TARGET_RATE / 10;

class Capture extends AudioWorkletProcessor {
  #chunk = new Int16Array(CHUNK);
  #filled = 0;
  #peak = 0;
  #ratio = sampleRate / TARGET_RATE;
  #sum = 0;
  #count = 0;
  #due = sampleRate / TARGET_RATE;

  process(inputs) {
    const samples = inputs[0]?.[0];
    if (!samples) return true;
    if (this.#ratio === 1) samples.forEach((sample) => this.#take(sample));
    else samples.forEach((sample) => this.#average(sample));
    return true;
  }

  /** For browsers that give only the rate of the sound card: the mean of the samples between. */
  #average(sample) {
    this.#sum += sample;
    this.#count += 1;
    this.#due -= 1;
    if (this.#due >= 0.5) return;
    this.#take(this.#sum / this.#count);
    this.#due += this.#ratio;
    this.#sum = 0;
    this.#count = 0;
  }

  #take(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.#peak = Math.max(this.#peak, Math.abs(clipped));
    this.#chunk[this.#filled] = Math.round(clipped * 32767);
    this.#filled += 1;
    if (this.#filled === CHUNK) this.#hand();
  }

  #hand() {
    const samples = this.#chunk.buffer;
    this.port.postMessage({ samples, peak: this.#peak }, [samples]);
    this.#chunk = new Int16Array(CHUNK);
    this.#filled = 0;
    this.#peak = 0;
  }
}

registerProcessor('capture', Capture);
