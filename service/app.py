"""create_app(): joins everything, decides nothing."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

from a2wsgi import WSGIMiddleware
from flask import Flask
from flask_limiter import Limiter
from werkzeug.middleware.proxy_fix import ProxyFix

from service import fitting
from service.care import keeping
from service.care.care import Care, open_care
from service.care.publishing import Publishing
from service.care.secrets import load_key
from service.care.teaching import Checks, Misses
from service.content.edit import GuideEditor
from service.content.live import LiveGuide, watch
from service.content.sentences import sentences
from service.core.classifier import Classifier
from service.core.model import Guide
from service.errors import ModelError, StoreError
from service.listening import Listening
from service.settings import Settings
from service.speech import kokoro
from service.speech.cache import AudioCache
from service.speech.family import FamilyVoices
from service.speech.models import ModelStore, load_catalog
from service.speech.recognizer import Recognizer
from service.speech.speaker import Speaker
from service.speech.voices import Voices
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Library, Talks, utc_now
from service.web import socket
from service.web.api import LARGEST_BODY_BYTES, PREFIX, create_api, register_errors
from service.web.calculators import create_calculators
from service.web.family import create_family
from service.web.device import create_device
from service.web.events import PATHS as EVENT_PATHS
from service.web.events import Events
from service.web.kiosk import create_kiosk, register_headers
from service.web.pages import create_pages
from service.web.panel import create_panel, panel_topics
from service.web.panel.common import Panel, new_limiter

log = logging.getLogger(__name__)
PAGE_THREADS = 16
"""Requests of pages and of the API that are served at once."""
LOOK_FOR_EDITS_EVERY_S = 1.0
NOTICES_EVERY_S = 1.0


@dataclass
class Service:
    """One running service without its server."""

    talks: Talks
    care: Care
    listening: Listening
    guide: LiveGuide
    speaker: Speaker
    flask: Flask
    asgi: object
    """The whole service as an ASGI application."""
    stop: threading.Event
    pool: ThreadPoolExecutor

    def close(self) -> None:
        """End threads and processes."""
        self.stop.set()
        self.pool.shutdown(cancel_futures=True)
        self.speaker.close()


def model_store(settings: Settings) -> ModelStore:
    """The store of models of these settings."""
    return ModelStore(settings.models_dir, load_catalog(settings.models_dir / "catalog.yaml"))


def load_recognizer(settings: Settings) -> Recognizer | None:
    """The recogniser, or None with one line in the log: the guide then runs with keys and touch."""
    try:
        return Recognizer(model_store(settings).path(settings.speech_model))
    except ModelError as e:
        log.warning("listening is off: %s", e)
        return None


def learner(settings: Settings) -> Callable[[Guide], Classifier]:
    """What reads or learns the Classifier of a guide."""
    return lambda guide: fitting.classifier(guide, settings.learnt_dir)


def load_listening(settings: Settings, which: str) -> tuple[Listening, Library]:
    """Ears without a service around them, which decode with ``which``; ModelError without a speech model."""
    recognizer = load_recognizer(settings)
    if recognizer is None:
        raise ModelError("without a speech model nothing can be heard")
    library = Library(LiveGuide(settings.prompts_dir), lambda: recognizer, learner(settings))
    return Listening(recognizer, library, which), library


def load_speaker(settings: Settings, guide: LiveGuide) -> Speaker:
    """The voices but for Kokoro, which takes longer to be verified than the start may."""
    voices = Voices(settings.packs_dir, settings.family_dir, guide.current.lexicon, settings.voice_order,
                    settings.usual_voice)
    speaker = Speaker(voices, AudioCache(settings.data_dir / "audio", settings.audio_cache_bytes))
    guide.on_change(speaker.use_guide)
    return speaker


def load_kokoro(settings: Settings, speaker: Speaker) -> bool:
    """Let the speaker use Kokoro; False with one line in the log where it is not to be had."""
    if settings.voice != "natural":
        return False
    try:
        speaker.voices.use_kokoro(model_store(settings).path(kokoro.MODEL))
    except ModelError as e:
        log.warning("what is not in the voice pack is spoken by pyttsx3: %s", e)
        return False
    return True


def _load_kokoro(settings: Settings, guide: LiveGuide, speaker: Speaker) -> None:
    if load_kokoro(settings, speaker):
        # An edited sentence is rendered before somebody asks for it.
        guide.on_change(lambda edited: speaker.prepare_spare(sentences(edited), ""))


def create_app(settings: Settings) -> Service:
    """Build the service. Raises ContentError or StoreError if it cannot run at all."""
    # The speech model loads while the guide is read and compiled: both take about a second.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_recognizer, settings)
        guide = LiveGuide(settings.prompts_dir)
        library = Library(guide, loading.result, learner(settings))
        recognizer = loading.result()
    if recognizer:
        guide.check_spelling(recognizer.knows)
    speaker = load_speaker(settings, guide)
    engine = open_database(settings.database_url)
    care = open_care(engine, load_key(settings.key_file), utc_now)
    talks = Talks(library, TalkStore(engine), speaker, care=care)
    listening = Listening(recognizer, library, settings.decoders)
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="listen")
    stop = threading.Event()
    threading.Thread(target=_load_kokoro, args=(settings, guide, speaker), name="kokoro", daemon=True).start()
    if settings.reload_guide:
        watch(guide, LOOK_FOR_EDITS_EVERY_S, stop)
    threading.Thread(target=care.feed.run, args=(stop,), name="feed", daemon=True).start()
    threading.Thread(target=keeping.run_daily, args=(engine, settings.retention_days, utc_now, stop), name="keeping",
                     daemon=True).start()
    threading.Thread(target=_tell_time, args=(care, stop), name="notices", daemon=True).start()
    limiter = new_limiter()
    flask = create_flask(talks, listening, care, limiter)
    if settings.proxies:
        flask.wsgi_app = ProxyFix(flask.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies,
                                  x_host=settings.proxies)
    flask.register_blueprint(create_family(FamilyVoices(settings.family_dir), talks, speaker, recognizer))
    editor = GuideEditor(settings.prompts_dir, recognizer and recognizer.knows)
    panel = Panel(care, talks, editor, Misses(engine, utc_now),
                  Publishing(engine, editor, guide, care.audit, utc_now),
                  Checks(engine, lambda: talks.edition, learner(settings)), settings.public_url, limiter)
    create_panel(flask, panel, settings.data_dir / "translations")
    listen_socket = socket.ListenSocket(talks, listening, pool)
    events = Events(care, flask, panel_topics, pool)
    return Service(talks, care, listening, guide, speaker, flask, _asgi(flask, listen_socket, events), stop, pool)


def _tell_time(care: Care, stop: threading.Event) -> None:
    """Let notices come due until ``stop`` is set."""
    while not stop.wait(NOTICES_EVERY_S):
        try:
            care.notices.come_due()
        except StoreError as e:
            log.warning("notices cannot be read: %s", e)


def create_flask(talks: Talks, listening: Listening, care: Care | None = None,
                 limiter: Limiter | None = None) -> Flask:
    """The pages and the API; without ``care`` there are no devices, without ``limiter`` one of its own."""
    flask = Flask("service.web")
    flask.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    flask.json.ensure_ascii = False
    register_errors(flask, talks)
    register_headers(flask)
    flask.register_blueprint(create_api(talks, listening, care))
    flask.register_blueprint(create_calculators(talks, care.now if care else utc_now, PREFIX))
    flask.register_blueprint(create_kiosk(talks))
    flask.register_blueprint(create_pages(talks))
    if care:
        limiter = limiter or new_limiter()
        limiter.init_app(flask)
        flask.register_blueprint(create_device(care, limiter))
    return flask


def _asgi(flask: Flask, listen_socket: socket.ListenSocket, events: Events):
    """One ASGI application: the socket and the streams by their paths, everything else by Flask."""
    pages = WSGIMiddleware(flask, workers=PAGE_THREADS)

    async def application(scope, receive, send) -> None:
        if scope["type"] == "http" and scope["path"] in EVENT_PATHS and scope["method"] == "GET":
            await events(scope, receive, send)
        elif scope["type"] == "http":
            await pages(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == socket.PATH:
            await listen_socket(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": socket.POLICY_VIOLATION})
    return application
