"""The guide at a microphone, a loudspeaker and a number pad, without a browser."""

from service.terminal.program import run

__all__ = ["run"]
