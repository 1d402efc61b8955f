/** The calls of the family's page. Every one of them rejects with a Problem that says what to tell. */

const BASE = new URL('family/api/', document.baseURI);

/** A call that was not answered as wished; `say` is for the person, empty if nothing answered. */
export class Problem extends Error {
  /** @param {string} say */
  constructor(say) {
    super(say || 'no answer');
    this.say = say;
  }
}

/** @returns {Promise<{sentences: {id: string, text: string}[], most_heard: number, minutes: number}>} */
export const getScript = async () => (await call('GET', 'script')).json();

/** @returns {Promise<object[]>} */
export const getVoices = async () => (await call('GET', 'voices')).json();

/** @returns {Promise<object>} the new voice */
export const createVoice = async (label, next) => (
  (await call('POST', 'voices', JSON.stringify({ label, next }))).json());

export const deleteVoice = (voice) => call('DELETE', `voices/${voice}`);

/** @returns {Promise<object>} the voice that was in the file */
export const importVoice = async (file) => (await call('POST', 'voices/file', file)).json();

/**
 * Lets the service clean and judge a take; nothing is kept.
 * @param {string} sentence
 * @param {Blob} recording
 * @returns {Promise<{sound: Blob, questions: string[]}>}
 */
export async function tryTake(sentence, recording) {
  const answer = await call('POST', `sentences/${sentence}/take`, recording);
  const questions = (answer.headers.get('Questions') ?? '').split(' ').filter(Boolean);
  return { sound: await answer.blob(), questions };
}

/** @returns {Promise<object>} the voice with this sentence */
export const keepTake = async (voice, sentence, recording) => (
  (await call('PUT', `voices/${voice}/sentences/${sentence}`, recording)).json());

/** @returns {Promise<object>} the voice without this sentence */
export const forgetTake = async (voice, sentence) => (
  (await call('DELETE', `voices/${voice}/sentences/${sentence}`)).json());

/** @returns {Promise<Blob>} */
export const getRecorded = async (voice, sentence) => (
  (await call('GET', `voices/${voice}/sentences/${sentence}`)).blob());

/** @returns {Promise<Blob>} the sentence in a voice that ships with the guide */
export const getExample = async (sentence, voice) => (
  (await call('GET', `sentences/${sentence}/example?voice=${encodeURIComponent(voice)}`)).blob());

/** @returns {string} where a voice is to be had as one file */
export const fileAddress = (voice) => new URL(`voices/${voice}/file`, BASE).href;

async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(new URL(path, BASE), { method, body, cache: 'no-store' });
  } catch {
    throw new Problem('');
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Problem(error?.say ?? '');
}
