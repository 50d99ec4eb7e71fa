"""Errors that nobody expected in work for a screen: a sentence for the screen, the rest for the log; the app goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.messages import BadInput, Message

_logger = logging.getLogger(__name__)


@contextmanager
def unexpected_reported(show: Callable[[BadInput], object]) -> Iterator[None]:
    """Write an exception with its traceback into logs/wizard.log, and call `show` with what the screen says. BadInput passes."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        _logger.exception("Work for a screen failed")
        show(
            BadInput(
                Message(
                    "wizard.unexpected",
                    "This could not be done ({error}: {reason}). The wizard goes on; logs/wizard.log has the details.",
                    {"error": type(error).__name__, "reason": str(error).partition("\n")[0]},
                )
            )
        )
