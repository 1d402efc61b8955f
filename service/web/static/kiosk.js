/** The kiosk page: joins what is pressed with the talk. */

import { Conversation } from './conversation.js';
import { Device } from './device.js';
import { Debounce, keyOf } from './keys.js';
import * as memory from './memory.js';
import { View } from './view.js';

const SPACE = ' ';
const labels = JSON.parse(document.getElementById('labels').textContent);
const view = new View(labels);
const conversation = new Conversation(view, labels);
const debounce = new Debounce();
const device = new Device({
  able: () => ({ listening: conversation.listening, sounding: conversation.sounding }),
  set: (state, again) => onDeviceSet(state, again),
  joined: (paired) => onJoined(paired),
  notice: (delivery) => conversation.notify(delivery),
});

function start() {
  if (conversation.started) return;
  conversation.unlock();
  conversation.start();
}

function press(key) {
  if (debounce.accepts(key)) conversation.press(key);
}

function pauseOrResume() {
  if (debounce.accepts(SPACE)) conversation.pauseOrResume();
}

function onKeyDown(event) {
  const key = event.key === SPACE ? SPACE : keyOf(event);
  if (key === null || isForButton(event)) return;
  event.preventDefault();
  if (event.repeat) return;
  if (!conversation.started) start();
  else if (key === SPACE) pauseOrResume();
  else press(key);
}

/** Enter or the space bar on a button activates the button and is none of the guide's keys. */
function isForButton(event) {
  return ['Enter', SPACE].includes(event.key) && Boolean(event.target.closest?.('button, a'));
}

function onPointerDown(event) {
  const key = keyButton(event)?.dataset.key;
  // The voice stops when the finger comes down; the press counts when it goes up, so that a
  // finger that came down by mistake can still be drawn away.
  if (key && !debounce.isAgain(key) || event.target.closest('#pause')) conversation.hush();
}

function onClick(event) {
  const key = keyButton(event)?.dataset.key;
  if (key) press(key);
}

function keyButton(event) {
  return event.target.closest('button[data-key]');
}

/** A tapped button must not keep the focus, or Enter or the space bar would press it again. */
function leaveFocus(event) {
  if (event.target.closest('button')) event.preventDefault();
}

function changeVoice() {
  if (debounce.accepts('voice')) conversation.changeVoice();
}

function setType(large) {
  memory.largeType.set(large);
  view.typeSize(large);
}

function onDeviceSet(state, again) {
  view.paired(state.paired);
  if (!again) setType(state.large_type);
  conversation.set(state, again);
}

function onJoined(paired) {
  view.paired(paired);
  conversation.renew('joined');
}

/** Asks for a code by which somebody who cares can pair this page. */
async function pair() {
  if (!debounce.accepts('pair')) return;
  conversation.unlock();
  if (await device.register()) await conversation.renew('pair');
  else view.notice(labels.offline, 'brief');
}

/** A page that was reloaded goes on by itself where the browser lets it speak. */
async function goOn() {
  if (memory.session.get() && await conversation.unlock()) start();
}

view.typeSize(memory.largeType.get());
document.addEventListener('keydown', onKeyDown);
document.addEventListener('pointerdown', onPointerDown);
document.addEventListener('mousedown', leaveFocus);
document.addEventListener('click', onClick);
document.getElementById('start').addEventListener('click', start);
document.getElementById('type-size').addEventListener('click', () => setType(!memory.largeType.get()));
document.getElementById('pair').addEventListener('click', pair);
document.getElementById('pause').addEventListener('click', pauseOrResume);
document.getElementById('voice').addEventListener('click', changeVoice);
goOn();
