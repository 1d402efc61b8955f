"""The family's page below /family: record the guide sentence by sentence in one's own voice.

Its calls lie below /family/api and are no part of the API that other machines use: they are answered
to this machine alone (see ``owner``). A recording is sent twice, to be judged and to be kept, so that
nothing of what was not kept is ever on this machine's disk.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from flask import Blueprint, Response, jsonify, render_template, request, send_file
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from service.content.sentences import sentences
from service.errors import BadRequest, GuideError, NotFound
from service.speech import parcel
from service.speech.family import FamilyVoices
from service.speech.kokoro import TIMBRES
from service.speech.pack import Pack
from service.speech.recognizer import Recognizer
from service.speech.speaker import Speaker
from service.speech.take import KEPT_HZ, LARGEST_BYTES, Take, TakeTooLarge, read_take
from service.speech.voice import USUAL_CPM, Speech
from service.talks import Talks
from service.web.owner import NotOwner, check_owner

PREFIX = "/family"
MOST_HEARD = 100
"""So many sentences are what is mostly heard."""
TIMES_SPOKEN, HANDLING_S = 2, 5.0
"""What one sentence takes: it is read and listened to, and a few buttons are pressed, seconds."""
COPY_BYTES = 1024 * 1024


class Script:
    """The sentences to record, of the running guide. Thread-safe."""

    def __init__(self, talks: Talks):
        self._talks = talks
        self._read: tuple[object, dict[str, str]] = (None, {})

    def texts(self) -> dict[str, str]:
        """Id to text, the most heard first."""
        guide, (of, texts) = self._talks.edition.guide, self._read
        if guide is not of:
            texts = {sentence_id(text): text for text in sentences(guide)}
            self._read = (guide, texts)
        return texts

    def text(self, sentence: str) -> str:
        """The text of an id; NotFound if the running guide has none."""
        try:
            return self.texts()[sentence]
        except KeyError as e:
            raise NotFound("no such sentence") from e


def sentence_id(text: str) -> str:
    """The name of a sentence in addresses; it stays the same when the guide around it is edited."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def minutes(texts: list[str]) -> int:
    """About how long it takes to record them."""
    spoken_s = sum(map(len, texts)) / USUAL_CPM * 60
    return round((spoken_s * TIMES_SPOKEN + HANDLING_S * len(texts)) / 60)


def voice_json(pack: Pack, texts: dict[str, str]) -> dict:
    """A voice and how far it is."""
    own = {r.text for r in pack.recordings().values()}
    recorded = [key for key, text in texts.items() if text in own]
    return {"id": pack.info.id, "label": pack.info.label, "next": pack.info.next, "recorded": recorded,
            "of_another_version": len(own) - len(recorded)}


def create_family(families: FamilyVoices, talks: Talks, speaker: Speaker,
                  recognizer: Recognizer | None) -> Blueprint:
    """The blueprint of the page and its calls. Without a recogniser the words are not checked."""
    family = Blueprint("family", __name__, url_prefix=PREFIX)
    script = Script(talks)

    def labels() -> dict:
        return talks.edition.guide.labels.get("family", {})

    def shown(pack: Pack, status: int = 200):
        return jsonify(voice_json(pack, script.texts())), status

    def changed(pack: Pack, status: int = 200):
        # The listeners are offered it, or hear it, from their next sentence on.
        speaker.voices.find_families()
        return shown(pack, status)

    def take(sentence: str, ears: Recognizer | None) -> Take:
        return read_take(_recording(), script.text(sentence), talks.edition.guide.lexicon, ears)

    @family.before_request
    def guard() -> None:
        check_owner(request)

    @family.after_request
    def private(response: Response) -> Response:
        # A family's voice is in no cache, and in no other page.
        response.headers["Cache-Control"] = "no-store"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    @family.errorhandler(GuideError)
    def fault(error: GuideError):
        say = labels().get(f"error_{error.code}") or labels().get("error_internal", "")
        if isinstance(error, NotOwner) and request.path == PREFIX:
            return render_template("family_closed.html", labels=labels(), say=say), error.status
        return jsonify({"error": {"code": error.code, "message": str(error), "say": say}}), error.status

    @family.errorhandler(HTTPException)
    def refused(error: HTTPException):
        translated = NotFound(error.name) if error.code == 404 else BadRequest(error.name)
        translated.status = error.code
        return fault(translated)

    @family.get("")
    def page():
        return render_template("family.html", labels=labels(), timbres=TIMBRES)

    # --- voices ----------------------------------------------------------------------------------

    @family.get("/api/script")
    def get_script():
        texts = script.texts()
        first = list(texts.values())[:MOST_HEARD]
        return jsonify({"sentences": [{"id": key, "text": text} for key, text in texts.items()],
                        "most_heard": len(first), "minutes": minutes(first)})

    @family.get("/api/voices")
    def get_voices():
        return jsonify([voice_json(pack, script.texts()) for pack in families.all()])

    @family.post("/api/voices")
    def post_voice():
        given = request.get_json(force=True, silent=True)
        if not isinstance(given, dict) or not all(isinstance(given.get(k), str) for k in ("label", "next")):
            raise BadRequest("label and next are texts")
        return changed(families.create(given["label"], given["next"]), 201)

    @family.get("/api/voices/<voice>")
    def get_voice(voice: str):
        return shown(families.get(voice))

    @family.delete("/api/voices/<voice>")
    def delete_voice(voice: str):
        try:
            families.delete(voice)
        finally:
            speaker.voices.find_families()
        return "", 204

    @family.get("/api/voices/<voice>/file")
    def export(voice: str):
        pack, file = families.export(voice)
        # Not .zip, which some browsers unpack by themselves.
        return send_file(file, "application/octet-stream", as_attachment=True,
                         download_name=f"{pack.info.label}.voice")

    @family.post("/api/voices/file")
    def take_in():
        with families.incoming_file() as file:
            _receive(file)
            return changed(families.take_in(file, request.args.get("replace") == "true"), 201)

    # --- sentences -------------------------------------------------------------------------------

    @family.get("/api/sentences/<sentence>/example")
    def example(sentence: str):
        voice = request.args.get("voice", "")
        return _sound(speaker.speak(script.text(sentence), USUAL_CPM, voice if voice in TIMBRES else ""))

    @family.post("/api/sentences/<sentence>/take")
    def try_take(sentence: str):
        tried = take(sentence, recognizer)
        return _sound(Speech.of(tried.samples, KEPT_HZ), Questions=" ".join(tried.questions))

    @family.get("/api/voices/<voice>/sentences/<sentence>")
    def get_sentence(voice: str, sentence: str):
        return _sound(Speech.of(*families.sound(voice, script.text(sentence))))

    @family.put("/api/voices/<voice>/sentences/<sentence>")
    def keep(voice: str, sentence: str):
        families.get(voice)
        # Whoever keeps it has been asked.
        kept = take(sentence, None)
        families.keep(voice, script.text(sentence), kept.samples, KEPT_HZ)
        return changed(families.get(voice))

    @family.delete("/api/voices/<voice>/sentences/<sentence>")
    def drop(voice: str, sentence: str):
        families.drop(voice, script.text(sentence))
        return changed(families.get(voice))

    return family


def _sound(speech: Speech, **headers: str) -> Response:
    return Response(speech.wav, mimetype="audio/wav", headers=headers)


def _recording() -> bytes:
    """The body. In memory only: a form would be spilt to a file on the way."""
    if (request.content_length or 0) > LARGEST_BYTES:
        raise TakeTooLarge(f"recording of {request.content_length} bytes")
    try:
        return request.get_data()
    except RequestEntityTooLarge as e:
        raise TakeTooLarge("recording of unknown length") from e


def _receive(file: BinaryIO) -> None:
    """Write the body to the file, not more than a parcel may have."""
    request.max_content_length = parcel.LARGEST_BYTES
    try:
        while data := request.stream.read(COPY_BYTES):
            file.write(data)
    except RequestEntityTooLarge as e:
        raise parcel.ParcelTooLarge("upload too large") from e
    file.seek(0)
