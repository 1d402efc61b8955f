"""The HTTP API below /api/v1: sessions, turns, audio. Described by ``openapi.yaml``."""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import Protocol

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from service.care.care import Care
from service.errors import AudioError, BadRequest, Busy, GuideError, NotFound
from service.listening import Listening
from service.monitoring.metrics import Metrics
from service.monitoring.steps import DECODE, Steps
from service.speech.audio import read_pcm
from service.talks import Speaking, Talks, View
from service.web.body import description, json_body, validator
from service.web.device import device_of

log = logging.getLogger(__name__)
PREFIX = "/api/v1"
LARGEST_BODY_BYTES = 24 * 1024 * 1024
"""A minute of 48 kHz 32 bit stereo audio fits; anything larger is refused unread."""
ARRIVED = "guide.arrived_s"
"""Key of the ASGI scope: when the request arrived, by ``time.perf_counter``."""
BUSY_KEPT_S = 24 * 3600
"""A page that is turned away has no talk whose sentences it could ask for, so it keeps this one."""
_TURN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Admission(Protocol):
    """Lets new talks in, by the load."""

    def admit(self) -> None:
        """A talk is about to be opened; Busy if it would be served badly."""

    def decoded(self, stream: int, wait_s: float, audio_s: float, work_s: float) -> None:
        """A piece of somebody's speech was decoded: number of the microphone, how long it had waited for that, its
        length, and the processor time that it took."""


def reply_json(view: View, talks: Talks, listening: bool) -> dict:
    """A turn's answer in the form of the API."""
    reply, base = view.reply, f"{PREFIX}/sessions/{view.talk_id}/turns/{view.turn_id}/audio"
    voice, voice_label = talks.voice(reply.voice)
    return {
        "session": view.talk_id, "turn_id": view.turn_id, "number": view.number,
        "node": reply.node, "title": reply.title, "state": reply.state,
        "step": {"number": reply.step[0], "count": reply.step[1]} if reply.step else None,
        "sentences": [{"text": t, "audio": f"{base}/{i}"} for i, t in enumerate(reply.sentences)],
        "shown": list(reply.shown),
        "choices": [{"key": c.key, "label": c.label} for c in reply.choices],
        "telephone": reply.telephone, "entry": reply.entry, "resumes": reply.resumes, "pace_cpm": reply.pace_cpm, "loudness_db": reply.loudness_db,
        "voice": voice, "voice_label": voice_label,
        "likes": {"voice": reply.voice, "pace_cpm": reply.own_pace_cpm, "loudness_db": reply.loudness_db},
        "hint_after_s": reply.hint_after_s, "listening": listening,
    }


def error_json(error: GuideError, talks: Talks) -> dict:
    """An error in the one shape that all of the API has."""
    return {"error": {"code": error.code, "message": str(error), "say": talks.fault(error)}}


def register_errors(app: Flask, talks: Talks, metrics: Metrics | None = None) -> None:
    """Let every error of the app leave in the API's shape, and be counted."""
    metrics = metrics or Metrics()

    def answer(error: GuideError):
        metrics.error(error)
        later = getattr(error, "retry_after_s", None)
        return jsonify(error_json(error, talks)), error.status, {} if later is None else {"Retry-After": str(later)}

    @app.errorhandler(GuideError)
    def ours(error: GuideError):
        if error.status >= 500:
            # With many at the door there are many of these, and they are no fault.
            log.log(logging.WARNING if isinstance(error, Busy) else logging.ERROR, "%s: %s", error.code, error)
        return answer(error)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException):
        translated = NotFound(error.name) if error.code == 404 else BadRequest(error.name)
        translated.status = error.code
        return answer(translated)

    @app.errorhandler(Exception)
    def unexpected(error: Exception):
        # The type alone: the text of a foreign error may quote what was said.
        log.error("unexpected %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
        return answer(GuideError("something unexpected went wrong"))


def create_api(talks: Talks, listening: Listening, care: Care | None = None,
               admission: Admission | None = None) -> Blueprint:
    """The blueprint of the API. Without ``care`` there are no devices, without ``admission`` every talk is let in."""
    api = Blueprint("api", __name__, url_prefix=PREFIX)
    turn_input, likes_input = validator("TurnInput"), validator("Likes")

    def answer(view: View, status: int = 200):
        headers = {"Server-Timing": view.steps.server_timing()} if view.steps else {}
        return jsonify(reply_json(view, talks, listening.available)), status, headers

    @api.post("/sessions")
    def open_session():
        likes, steps = json_body(likes_input) if request.content_length else {}, _arrived()
        if admission:
            admission.admit()
        device = device_of(request, care)
        steps.begin()
        return answer(talks.open(**likes, device=device, steps=steps), 201)

    @api.get("/sessions/<session>")
    def get_session(session: str):
        return answer(talks.last(session))

    @api.delete("/sessions/<session>")
    def end_session(session: str):
        talks.end(session)
        return "", 204

    @api.post("/sessions/<session>/turns")
    def post_turn(session: str):
        if request.mimetype.startswith("audio/"):
            return answer(_audio_turn(talks, listening, session, _arrived()))
        return answer(_json_turn(talks, session, json_body(turn_input), _arrived()))

    @api.get("/sessions/<session>/turns/<turn>/audio/<int:index>")
    def get_audio(session: str, turn: str, index: int):
        piece = talks.audio(session, turn, index, request.args.get("piece", 0, int))
        # In no cache: a family's voice can be deleted for good, and every turn has its own addresses.
        headers = {"Cache-Control": "no-store",
                   "Speech-Marks": " ".join(f"{at}:{when:.3f}" for at, when in piece.speech.marks)}
        if piece.next is not None:
            headers["Speech-Next"] = str(piece.next)
        return Response(piece.speech.wav, mimetype="audio/wav", headers=headers)

    @api.get("/busy")
    def get_busy():
        headers = {"Cache-Control": f"public, max-age={BUSY_KEPT_S}"}
        return Response(talks.speak(talks.fault(Busy())), mimetype="audio/wav", headers=headers)

    @api.get("/voices")
    def get_voices():
        return jsonify({"voices": [dataclasses.asdict(voice) for voice in talks.voices()]})

    @api.get("/openapi.json")
    def get_description():
        return jsonify(description())

    return api


def _arrived() -> Steps:
    """The steps of the turn that the present request is."""
    return Steps(request.environ.get("asgi.scope", {}).get(ARRIVED))


def _json_turn(talks: Talks, session: str, given: dict, steps: Steps) -> View:
    turn_id, speaking = given["turn_id"], given.get("speaking")
    # Python's $ lets a line end through, JSON Schema's does not.
    if not _TURN_ID.fullmatch(turn_id):
        raise BadRequest("turn_id: breaks the rule pattern")
    cut = speaking and Speaking(**speaking)
    steps.begin()
    match given:
        case {"key": key}:
            return talks.press(session, turn_id, key, cut, steps)
        case {"text": text}:
            return talks.say(session, turn_id, text, cut, steps)
        case {"event": "silence"}:
            return talks.silence(session, turn_id, steps)
        case {"event": "rejoin"}:
            return talks.rejoin(session, turn_id, steps)
        case {"event": "joined"}:
            return talks.joined(session, turn_id, steps)
        case {"event": "notice", "delivery": delivery}:
            return talks.notice(session, turn_id, delivery, cut, steps)
        case {"event": command}:
            return talks.command(session, turn_id, command, cut, steps)


def _audio_turn(talks: Talks, listening: Listening, session: str, steps: Steps) -> View:
    turn_id = request.headers.get("Turn-Id", "")
    if not _TURN_ID.fullmatch(turn_id):
        raise BadRequest("Turn-Id: 1 to 64 letters, digits, - or _")
    data = request.get_data()
    steps.begin()
    with steps.step(DECODE):
        heard = listening.once(read_pcm(data), talks.expects(session))
    view = heard.hearing and talks.hear(session, turn_id, heard.hearing, steps)
    if view is None:
        raise _NothingHeard("no speech in the recording")
    return view


class _NothingHeard(AudioError):
    """The recording is audio, but nobody speaks in it."""

    code = "nothing_heard"
