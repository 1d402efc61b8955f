/** Hands on what the microphone hears as it is, in blocks of about 50 ms. Runs on the audio thread. */

const BLOCK = Math.round(sampleRate / 20);

class Record extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK);
  #filled = 0;

  process(inputs) {
    inputs[0]?.[0]?.forEach((sample) => this.#take(sample));
    return true;
  }

  #take(sample) {
    this.#block[this.#filled] = sample;
    this.#filled += 1;
    if (this.#filled < BLOCK) return;
    this.port.postMessage(this.#block, [this.#block.buffer]);
    this.#block = new Float32Array(BLOCK);
    this.#filled = 0;
  }
}

registerProcessor('record', Record);
