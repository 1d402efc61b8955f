"""create_app(): joins everything, decides nothing."""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Callable, Mapping

from a2wsgi import WSGIMiddleware
from flask import Flask
from flask_limiter import Limiter
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix

from service import fitting
from service.cards import card_pdf
from service.admission import Admission
from service.care import keeping
from service.care.care import Care, open_care
from service.care.publishing import Publishing
from service.care.secrets import load_key
from service.care.teaching import Checks, Misses
from service.content.edit import GuideEditor
from service.content.last_good import LastGood
from service.content.live import LiveGuide, watch
from service.content.sentences import sentences
from service.core.classifier import Classifier
from service.core.clock import is_believed
from service.core.model import Guide
from service.errors import ModelError
from service.listening import Listening
from service.monitoring.health import Health, clock_check, database_check, disk_check, redis_check, speech_model_check
from service.monitoring.metrics import Metrics
from service.monitoring.turn_log import TurnLog
from service.settings import Settings
from service.sharing.audio import SharedAudio
from service.sharing.jobs import SLOW, Jobs, Regular
from service.sharing.line import Line
from service.sharing.load import SharedLoad
from service.sharing.sharing import Sharing, open_sharing
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
from service.web import parts, socket
from service.web.api import ARRIVED, LARGEST_BODY_BYTES, PREFIX, create_api, register_errors
from service.web.calculators import create_calculators
from service.web.family import create_family
from service.web.device import create_device
from service.web.events import PATHS as EVENT_PATHS
from service.web.events import Events
from service.web.guard import Border, Guard
from service.web.kiosk import create_kiosk, register_headers
from service.web.pages import create_pages
from service.web.panel import create_panel, panel_topics
from service.web.panel.common import Panel, new_limiter
from service.web.probes import PATHS as PROBE_PATHS
from service.web.probes import Probes

log = logging.getLogger(__name__)
PAGE_THREADS = 16
"""Requests of pages and of the API that are served at once."""
LOOK_FOR_EDITS_EVERY_S = 1.0
NOTICES = Regular("notices", every_s=1.0)
KEEPING = Regular("keeping", every_s=24 * 3600, first_after_s=60, again_after_s=3600)
RENDER, CARD = "render", "card"
CARD_WAIT_S = 10.0
"""Then the process that was asked makes the card itself."""


@dataclass
class Service:
    """One running service without its server."""

    talks: Talks
    care: Care
    listening: Listening
    guide: LiveGuide
    speaker: Speaker
    flask: Flask
    asgi: Guard
    """The whole service as an ASGI application."""
    stop: threading.Event
    pool: ThreadPoolExecutor
    sharing: Sharing
    health: Health
    metrics: Metrics
    turn_log: TurnLog

    def close(self) -> None:
        """End threads and processes."""
        self.stop.set()
        self.turn_log.close()
        self.sharing.close()
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


def load_speaker(settings: Settings, guide: LiveGuide, shared: SharedAudio | None = None) -> Speaker:
    """The voices but for Kokoro, which takes longer to be verified than the start may. ``shared``: what other
    processes have rendered."""
    voices = Voices(settings.packs_dir, settings.family_dir, guide.current.lexicon, settings.voice_order,
                    settings.usual_voice)
    speaker = Speaker(voices, AudioCache(settings.data_dir / "audio", settings.audio_cache_bytes), shared)
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


def _load_kokoro(settings: Settings, guide: LiveGuide, speaker: Speaker, jobs: Jobs) -> None:
    def render(edited: Guide) -> None:
        # An edited sentence is rendered before somebody asks for it.
        for text in speaker.unrendered(sentences(edited), ""):
            jobs.submit(RENDER, text, "")
    if load_kokoro(settings, speaker):
        guide.on_change(render)


def _add_jobs(jobs: Jobs, care: Care, talks: Talks, speaker: Speaker, days: Mapping[str, int]) -> None:
    """What is done in the background, by this process or another one with the same Redis."""
    jobs.every(NOTICES, care.notices.come_due)
    jobs.every(KEEPING, partial(keeping.clean_and_tell, care.engine, days, care.now))
    jobs.add(RENDER, speaker.render_spare, SLOW)
    jobs.add(CARD, lambda *of: card_pdf(talks.edition.guide, *of))


def create_app(settings: Settings) -> Service:
    """Build the service. Raises ContentError or StoreError if it cannot run at all."""
    # The speech model loads while the guide is read and compiled: both take about a second.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_recognizer, settings)
        guide = LiveGuide(settings.prompts_dir, LastGood(settings.data_dir / "guide.json"))
        library = Library(guide, loading.result, learner(settings))
        recognizer = loading.result()
    if recognizer:
        guide.check_spelling(recognizer.knows)
    key = load_key(settings.key_file)
    sharing = open_sharing(settings.redis_url, key)
    speaker = load_speaker(settings, guide, sharing.audio)
    engine = open_database(settings.database_url)
    care = open_care(engine, key, utc_now)
    metrics = Metrics()
    turn_log = TurnLog(metrics)
    stop = threading.Event()
    admission = _admission(settings, sharing.line, stop)
    talks = Talks(library, TalkStore(engine), speaker, care=care, discretion=sharing.discretion, turn_log=turn_log)
    listening = Listening(recognizer, library, settings.decoders)
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="listen")
    _add_jobs(sharing.jobs, care, talks, speaker, settings.retention_days)
    if settings.serves != "audio":
        # Whoever decodes has no core to spare for anything else.
        sharing.jobs.start()
        threading.Thread(target=_load_kokoro, args=(settings, guide, speaker, sharing.jobs), name="kokoro",
                         daemon=True).start()
    if settings.reload_guide:
        watch(guide, LOOK_FOR_EDITS_EVERY_S, stop)
    threading.Thread(target=_look_for_voices, args=(speaker, stop), name="voices", daemon=True).start()
    guide.on_change(lambda edited: metrics.use_edition(edited.version))
    threading.Thread(target=turn_log.run, args=(stop,), name="turn-log", daemon=True).start()
    threading.Thread(target=care.feed.run, args=(stop,), name="feed", daemon=True).start()
    limiter = new_limiter(sharing.limits)
    flask = create_flask(talks, listening, care, limiter, metrics, admission)
    if settings.proxies:
        flask.wsgi_app = ProxyFix(flask.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies,
                                  x_host=settings.proxies)
    flask.register_blueprint(create_family(FamilyVoices(settings.family_dir), talks, speaker, recognizer))
    health = _health(settings, engine, listening, talks)
    editor = GuideEditor(settings.prompts_dir, recognizer and recognizer.knows)
    panel = Panel(care, talks, editor, Misses(engine, utc_now),
                  Publishing(engine, editor, guide, care.audit, utc_now),
                  Checks(engine, lambda: talks.edition, learner(settings)), settings.public_url, limiter,
                  partial(sharing.jobs.ask, CARD, wait_s=CARD_WAIT_S), health.checks)
    create_panel(flask, panel, settings.data_dir / "translations")
    listen_socket = socket.ListenSocket(talks, listening, pool, admission, metrics)
    events = Events(care, flask, panel_topics, pool)
    probes = Probes(health, metrics, settings.metrics_token)
    guard = Guard(_asgi(flask, listen_socket, events, probes, settings.serves),
                  Border(plain_http=settings.plain_http, proxies=settings.proxies, public_url=settings.public_url),
                  lambda: talks.edition.guide.labels, talks.fault)
    return Service(talks, care, listening, guide, speaker, flask, guard, stop, pool, sharing, health, metrics, turn_log)


def _health(settings: Settings, engine: Engine, listening: Listening, talks: Talks) -> Health:
    """What this process needs to serve."""
    looks = {"database": partial(database_check, engine), "disk": partial(disk_check, settings.data_dir),
             "clock": lambda: clock_check(is_believed(talks.edition.guide.facts, utc_now().astimezone().date())),
             "speech model": lambda: speech_model_check(listening.available)}
    if settings.redis_url:
        looks["redis"] = partial(redis_check, settings.redis_url)
    return Health(looks)


def _admission(settings: Settings, line: Line | None, stop: threading.Event) -> Admission:
    """Lets new talks in by the load of all processes that decode, as far as they are known."""
    if line is None:
        return Admission(settings.most_memory_bytes)
    load = SharedLoad(line)
    admission = Admission(settings.most_memory_bytes, are_all_full=load.is_full)
    if settings.serves != "pages":
        threading.Thread(target=load.run, args=(admission.is_full, stop), name="load", daemon=True).start()
    return admission


def _look_for_voices(speaker: Speaker, stop: threading.Event) -> None:
    """Take up family voices that another process wrote, until ``stop`` is set."""
    while not stop.wait(LOOK_FOR_EDITS_EVERY_S):
        speaker.voices.look()


def create_flask(talks: Talks, listening: Listening, care: Care | None = None,
                 limiter: Limiter | None = None, metrics: Metrics | None = None,
                 admission: Admission | None = None) -> Flask:
    """The pages and the API; without ``care`` there are no devices, without ``limiter`` one of its own, without
    ``admission`` every talk is let in. ``metrics`` are told of errors."""
    flask = Flask("service.web")
    flask.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    flask.json.ensure_ascii = False
    register_errors(flask, talks, metrics)
    register_headers(flask)
    flask.register_blueprint(create_api(talks, listening, care, admission))
    flask.register_blueprint(create_calculators(talks, care.now if care else utc_now, PREFIX))
    flask.register_blueprint(create_kiosk(talks))
    flask.register_blueprint(create_pages(talks))
    if care:
        limiter = limiter or new_limiter()
        limiter.init_app(flask)
        flask.register_blueprint(create_device(care, limiter))
    return flask


def _asgi(flask: Flask, listen_socket: socket.ListenSocket, events: Events, probes: Probes, part: str):
    """One ASGI application: the socket, the streams and the probes by their paths, everything else by Flask.
    ``part``: what of it this process serves."""
    pages = WSGIMiddleware(flask, workers=PAGE_THREADS)

    async def application(scope, receive, send) -> None:
        scope[ARRIVED] = time.perf_counter()
        if not parts.serves(part, scope):
            await parts.refuse(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in PROBE_PATHS:
            await probes(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in EVENT_PATHS and scope["method"] == "GET":
            await events(scope, receive, send)
        elif scope["type"] == "http":
            await pages(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == socket.PATH:
            await listen_socket(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": socket.POLICY_VIOLATION})
    return application
