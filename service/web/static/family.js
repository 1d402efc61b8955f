/** The family's page: the list of voices, and the studio where one sentence is recorded after the other. */

import * as api from './family-api.js';
import { Recorder } from './family-recorder.js';

const LONGEST_S = 60;
const SILENT_AFTER_S = 3;
/** The level shows the last 60 dB below full scale. */
const RANGE_DB = 60;

const labels = JSON.parse(document.getElementById('labels').textContent);
const $ = (id) => document.getElementById(id);
const recorder = new Recorder(onLevel);
const player = new Audio();
let script = null;
let voice = null;
/** Positions in the script, in the order of recording, and where we are in it. */
let order = [];
let at = 0;
/** What was recorded of this sentence and not kept yet: {recording, sound, questions}. */
let take = null;
let loudest = 0;

const fill = (label, values) => labels[label].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const sentence = () => script.sentences[order[at]];
const isRecorded = () => voice.recorded.includes(sentence().id);

// --- what is shown ---------------------------------------------------------------------------

function show(state, text = '') {
  document.body.dataset.state = state;
  const busy = ['opening', 'checking', 'keeping'].includes(state);
  $('state').textContent = text;
  $('record').textContent = labels[state === 'recording' ? 'stop' : take ? 'record_again' : 'record'];
  $('record').disabled = busy;
  $('listen').disabled = $('keep').disabled = state !== 'tried';
  for (const id of ['previous', 'skip', 'example', 'upload', 'hear-recorded', 'forget', 'back']) {
    $(id).disabled = busy || state === 'recording';
  }
  $('keep').textContent = labels[take?.questions.length ? 'keep_anyway' : 'keep'];
  $('keep').classList.toggle('main', state === 'tried');
  $('record').classList.toggle('main', state !== 'tried');
  if (state !== 'recording') $('level').value = 0;
}

function ask(questions) {
  $('questions').replaceChildren(...questions.map((question) => {
    const item = document.createElement('li');
    item.textContent = labels[`ask_${question}`];
    return item;
  }));
}

function notice(text) {
  $('notice').textContent = text;
  if (text) $('notice').scrollIntoView({ block: 'nearest' });
}

/** Does something that may fail, and tells the person if it did. */
async function attempt(action) {
  notice('');
  try {
    return await action();
  } catch (problem) {
    if (!(problem instanceof api.Problem)) throw problem;
    notice(problem.say || labels.offline);
    return undefined;
  }
}

// --- the voices ------------------------------------------------------------------------------

async function showVoices() {
  recorder.close();
  player.pause();
  take = null;
  show('idle');
  $('studio').hidden = $('back').hidden = true;
  $('voices').hidden = false;
  const voices = await attempt(api.getVoices);
  if (voices) $('voice-list').replaceChildren(...voices.map(row));
  $('none-yet').hidden = Boolean(voices?.length);
}

function row(one) {
  const item = $('voice').content.cloneNode(true).firstElementChild;
  item.dataset.voice = one.id;
  item.querySelector('.name').textContent = one.label;
  item.querySelector('.counted').textContent = fill('counted', {
    count: one.recorded.length, all: script.sentences.length,
  });
  for (const button of item.querySelectorAll('button, a')) {
    button.setAttribute('aria-label', `${button.textContent}：${one.label}`);
  }
  item.querySelector('.go-on').addEventListener('click', () => enter(one));
  item.querySelector('.delete').addEventListener('click', () => askDelete(one));
  item.querySelector('.export').href = api.fileAddress(one.id);
  return item;
}

function create(event) {
  event.preventDefault();
  const next = $('create').elements.next.value;
  attempt(async () => {
    const made = await api.createVoice($('label').value, next);
    // Whoever is quick has made it before the sentences are there.
    if (!await loading) return;
    enter(made);
    $('create').reset();
  });
}

function askDelete(one) {
  $('delete-ask').textContent = fill('delete_ask', one);
  $('delete-loss').textContent = fill('delete_loss', { count: one.recorded.length + one.of_another_version });
  $('delete-yes').onclick = () => remove(one);
  $('delete').showModal();
  $('delete-no').focus();
}

async function remove(one) {
  $('delete').close();
  const gone = await attempt(() => api.deleteVoice(one.id));
  if (!gone) return;
  await showVoices();
  notice(fill('deleted', one));
}

async function takeIn() {
  const [file] = $('import-file').files;
  $('import-file').value = '';
  if (!file) return;
  $('import').disabled = true;
  const arrived = await attempt(() => {
    notice(labels.importing);
    return api.importVoice(file);
  });
  $('import').disabled = false;
  if (!arrived) return;
  await showVoices();
  const other = arrived.of_another_version;
  notice(fill('imported', { label: arrived.label, count: arrived.recorded.length + other })
    + (other ? fill('imported_other', { count: other }) : ''));
}

// --- the studio ------------------------------------------------------------------------------

function enter(one) {
  voice = one;
  notice('');
  $('voices').hidden = true;
  $('studio').hidden = $('back').hidden = false;
  $('studio-title').textContent = voice.label;
  begin();
}

/** Those that are missing first, each group the most heard first. */
function begin() {
  const all = script.sentences.map((_, index) => index);
  const done = (index) => voice.recorded.includes(script.sentences[index].id);
  order = [...all.filter((index) => !done(index)), ...all.filter(done)];
  at = 0;
  turnTo(0);
}

function turnTo(position) {
  player.pause();
  take = null;
  if (position >= order.length && voice.recorded.length < order.length) return begin();
  at = Math.max(0, Math.min(position, order.length - 1));
  $('sentence').textContent = sentence().text;
  ask([]);
  show('idle', voice.recorded.length === order.length ? labels.done : '');
  showProgress();
  $('record').focus({ preventScroll: true });
}

function showProgress() {
  const first = new Set(script.sentences.slice(0, script.most_heard).map(({ id }) => id));
  const count = voice.recorded.filter((id) => first.has(id)).length;
  $('progress-first').textContent = fill('progress_first', { count, all: first.size });
  $('bar-first').max = first.size;
  $('bar-first').value = count;
  $('progress').textContent = fill('progress', { count: voice.recorded.length, all: script.sentences.length });
  $('minutes').textContent = fill('minutes', script);
  $('minutes').hidden = count === first.size;
  for (const id of ['is-recorded', 'hear-recorded', 'forget']) $(id).hidden = !isRecorded();
  $('previous').hidden = at === 0;
}

async function record() {
  if (document.body.dataset.state === 'recording') return stop();
  player.pause();
  notice('');
  ask([]);
  take = null;
  show('opening');
  try {
    await recorder.start();
  } catch (problem) {
    notice(labels[problem.name === 'NotAllowedError' ? 'mic_denied' : 'mic_missing']);
    return show('idle');
  }
  loudest = 0;
  show('recording', labels.recording);
  $('record').focus({ preventScroll: true });
}

function onLevel(peak, seconds) {
  loudest = Math.max(loudest, peak);
  $('level').value = peak ? Math.max(0, 1 + 20 * Math.log10(peak) / RANGE_DB) : 0;
  if (!loudest && seconds > SILENT_AFTER_S) $('state').textContent = labels.mic_silent;
  if (seconds < LONGEST_S - 1) return;
  stop();
  notice(labels.too_long);
}

function stop() {
  check(recorder.stop());
}

async function check(recording) {
  take = null;
  ask([]);
  show('checking', labels.checking);
  const tried = await attempt(() => api.tryTake(sentence().id, recording));
  if (!tried) return show('idle');
  take = { recording, ...tried };
  ask(take.questions);
  show('tried', take.questions.length ? '' : labels.good);
  $(take.questions.length ? 'record' : 'keep').focus({ preventScroll: true });
}

async function keep() {
  player.pause();
  show('keeping', labels.keeping);
  const kept = await attempt(() => api.keepTake(voice.id, sentence().id, take.recording));
  if (!kept) return show('tried');
  voice = kept;
  turnTo(at + 1);
  $('state').textContent ||= labels.kept;
}

async function forget() {
  const left = await attempt(() => api.forgetTake(voice.id, sentence().id));
  if (!left) return;
  voice = left;
  turnTo(at);
  $('state').textContent = labels.forgotten;
}

async function play(sound) {
  const blob = await attempt(sound);
  if (!blob) return;
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(blob);
  await player.play().catch(() => {}); // cut off by the next one
}

function upload() {
  const [file] = $('upload-file').files;
  $('upload-file').value = '';
  if (file) check(file);
}

// --- joined ----------------------------------------------------------------------------------

function on(id, action) {
  $(id).addEventListener('click', action);
}

$('create').addEventListener('submit', create);
$('import-file').addEventListener('change', takeIn);
$('upload-file').addEventListener('change', upload);
on('import', () => $('import-file').click());
on('upload', () => $('upload-file').click());
on('back', showVoices);
on('delete-no', () => $('delete').close());
on('record', record);
on('listen', () => play(async () => take.sound));
on('keep', keep);
on('previous', () => turnTo(at - 1));
on('skip', () => turnTo(at + 1));
on('example', () => play(() => api.getExample(sentence().id, voice.next)));
on('hear-recorded', () => play(() => api.getRecorded(voice.id, sentence().id)));
on('forget', forget);

const loading = attempt(api.getScript);
script = await loading;
if (script) await showVoices();
