"""The command line: reads arguments, calls one function, exits with a code."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from service.errors import GuideError
from service.settings import PROJECT, Settings, read_settings


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 failed, 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        settings = read_settings()
        # Standard output belongs to the answers; the log goes beside it.
        logging.basicConfig(level=settings.log_level, stream=sys.stderr,
                            format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        # Alembic announces each of its plugins at every start.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        return arguments.run(arguments, settings)
    except GuideError as e:
        print(f"{e.code}: {e}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description="衡阳社保语音指南")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("serve", _serve, "serve the kiosk page and the API")
    voice = command("voice", _voice, "talk in the terminal: microphone, loudspeaker, number pad")
    voice.add_argument("--keys", action="store_true", help="keys and text alone, no microphone")
    command("understand", _understand, "a text a line on standard input to an outcome a line")
    command("hear", _hear, "recordings to an outcome a line").add_argument("files", nargs="+", type=Path)
    say = command("say", _say, "speak a text into a WAV file")
    say.add_argument("text")
    say.add_argument("--out", type=Path, required=True)
    say.add_argument("--pace", type=int, default=180, help="Chinese characters a minute")
    say.add_argument("--voice", default="", help="female, male or a family's; else the usual one")
    voices = command("voices", _voices, "the voice packs: list them, or render what they lack")
    voices.add_argument("action", nargs="?", default="list", choices=("list", "build"))
    voices.add_argument("--workers", type=int, default=2, help="sentences rendered at once, a core each")
    voices.add_argument("--tries", type=int, default=4, help="ways of saying a sentence, at the most")
    voices.add_argument("--again", type=int, default=-1, metavar="N",
                        help="also try anew what was misheard by more than N syllables")
    check = command("check", _check, "every problem of the guide's data")
    check.add_argument("--close", action="store_true", help="also phrases of different meaning that sound alike")
    command("learn", _learn, "learn the ways of asking now, and not when the guide is next started")
    models = command("models", _models, "list, verify or install the models")
    models.add_argument("rest", nargs=argparse.REMAINDER)
    command("backup", _backup, "the whole database into one file, which is to be kept as safe as the database; "
            "the service may go on").add_argument("file", type=Path)
    restore = command("restore", _restore, "a backup in place of all that the database holds; the service may go on")
    restore.add_argument("file", type=Path)
    restore.add_argument("--force", action="store_true", help="also over the accounts of another installation")
    doctor = command("doctor", _doctor, "look at this machine, and say in a sentence each what to do")
    doctor.add_argument("--json", action="store_true", help="the same for programs")
    doctor.add_argument("--sound", action="store_true", help="play the attention sound once")
    evaluation = command("eval", _eval, "how well the guide understands, on the project's own sets")
    evaluation.add_argument("--sets", type=Path, default=PROJECT / "tests" / "sets", metavar="FOLDER")
    evaluation.add_argument("--split", choices=("measure", "tune"), default="measure")
    evaluation.add_argument("--text", action="store_true", help="without the recordings")
    evaluation.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth recording")
    evaluation.add_argument("--tune", action="store_true", help="first choose the limits anew on the tuning set")
    evaluation.add_argument("--workers", type=int, default=2, help="recordings heard at once, a core each")
    bench = command("bench", _bench, "measure, and print JSON")
    bench.add_argument("what", nargs="?", choices=("voices", "listening", "panel", "calculators", "faults", "cluster",
                                                       "load", "fuzz"),
                       help="the voices, listening beside other ways of it, the panel; else the whole service")
    bench.add_argument("--sample", type=int, help="only so many recordings (of each pack), or turns, not all")
    bench.add_argument("--turns", type=int, default=1_000, help="turns among which the service is killed, of faults")
    bench.add_argument("--only", metavar="NAME", help="one of the faults")
    bench.add_argument("--soak", type=float, metavar="MINUTES", help="of load: does anything grow in so long?")
    bench.add_argument("--out", type=Path, metavar="FILE", help="of a soak: where all that is known so far is written")
    bench.add_argument("--postgres", metavar="ADDRESS", help="of an empty database, for the panel")
    bench.add_argument("--cases", type=int, default=100_000, help="cases of bad input, over all that takes input")
    bench.add_argument("--found", type=Path, metavar="FOLDER", help="where the smallest case of a failure is written")
    return parser


def _serve(_arguments, settings: Settings) -> int:
    from service.server import serve
    return serve(settings)


def _voice(arguments, settings: Settings) -> int:
    from service.terminal import run
    return run(settings, keys_only=arguments.keys)


def _understand(_arguments, settings: Settings) -> int:
    from service.commands import understand
    return understand(settings, sys.stdin, sys.stdout)


def _hear(arguments, settings: Settings) -> int:
    from service.commands import hear
    return hear(settings, arguments.files, sys.stdout)


def _say(arguments, settings: Settings) -> int:
    from service.commands import say
    return say(settings, arguments.text, arguments.pace, arguments.voice, arguments.out, sys.stdout)


def _voices(arguments, settings: Settings) -> int:
    from service.voices import build, list_packs
    if arguments.action == "list":
        return list_packs(settings, sys.stdout)
    return build(settings, arguments.workers, arguments.tries, arguments.again, sys.stdout)


def _check(arguments, settings: Settings) -> int:
    from service.commands import check
    return check(settings, sys.stdout, arguments.close)


def _learn(_arguments, settings: Settings) -> int:
    from service.app import learner
    from service.content.live import LiveGuide
    learner(settings)(LiveGuide(settings.prompts_dir).current)
    return 0


def _models(arguments, settings: Settings) -> int:
    from service.app import model_store
    from service.speech.models import ROLES
    from service.speech.models import main as models
    roles = [role for role in ROLES if role != "voice" or settings.voice == "natural"]
    return models(arguments.rest, model_store(settings), roles)


def _backup(arguments, settings: Settings) -> int:
    from service.commands import backup
    return backup(settings, arguments.file, sys.stdout)


def _restore(arguments, settings: Settings) -> int:
    from service.commands import restore
    return restore(settings, arguments.file, arguments.force, sys.stdout)


def _doctor(arguments, settings: Settings) -> int:
    from service.doctor.run import run
    return run(settings, arguments.sound, arguments.json, sys.stdout)


def _eval(arguments, settings: Settings) -> int:
    from service.evaluation.run import run
    return run(settings, arguments.sets, arguments.split, 0 if arguments.text else arguments.every,
               arguments.tune, arguments.workers, sys.stdout)


def _bench(arguments, settings: Settings) -> int:
    if arguments.what == "voices":
        from service.bench_voices import run as run_voices
        return run_voices(settings, arguments.sample, sys.stdout)
    if arguments.what == "listening":
        from service.bench_listening import run as run_listening
        return run_listening(settings, PROJECT / "tests" / "sets", arguments.sample, sys.stdout)
    if arguments.what == "panel":
        from service.bench_panel import TURNS
        from service.bench_panel import run as run_panel
        return run_panel(settings, arguments.postgres, arguments.sample or TURNS, sys.stdout)
    if arguments.what == "calculators":
        from service.bench_calculators import run as run_calculators
        return run_calculators(settings, arguments.sample, sys.stdout)
    if arguments.what == "faults":
        from service.faults.run import run as run_faults
        return run_faults(arguments.turns, arguments.only, sys.stdout)
    if arguments.what == "cluster":
        from service.faults.cluster import STEADY_S
        from service.faults.cluster import run as run_cluster
        return run_cluster(arguments.sample or STEADY_S, sys.stdout)
    if arguments.what == "load" and arguments.soak:
        from service.bench_soak import run as run_soak
        return run_soak(settings, arguments.soak, arguments.out, sys.stdout)
    if arguments.what == "load":
        from service.bench_load import run as run_load
        return run_load(settings, arguments.sample, sys.stdout)
    if arguments.what == "fuzz":
        from service.fuzzing.run import run as run_fuzzing
        return run_fuzzing(settings, arguments.cases, arguments.found, sys.stdout)
    from service.bench import run
    return run(settings, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
