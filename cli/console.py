"""What commands print: people read standard error and tables, machines read standard output."""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print one JSON document, and nothing else, on standard output."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def print_line(text: str, to: Console = out) -> None:
    """Print text as it is: neither broken at the terminal's width, nor read as markup, nor coloured."""
    to.print(text, soft_wrap=True, markup=False, highlight=False)


class JsonLines(logging.Formatter):
    """One JSON object per log record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def setup_logging(*, verbose: bool = False, json_log: bool = False) -> None:
    """Send opticstream's log to standard error, for people or as JSON lines for services.

    Prefect's own console lines repeat what this log and the Prefect UI say, so they are shown only when asked for;
    call this before Prefect is imported.
    """
    if json_log or not verbose:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        for worker in ("EventsWorker", "APILogWorker"):  # at the end they count what they still send
            logging.getLogger(worker).setLevel(logging.ERROR)
    logger = logging.getLogger("opticstream")
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    logger.handlers.clear()
    if json_log:
        handler: logging.Handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
    else:
        handler = RichHandler(console=err, show_path=False, rich_tracebacks=False, log_time_format="%H:%M:%S")
    handler.set_name("terminal")
    handler.setLevel(logger.level)  # a session's log file lets the logger say more than a terminal shows
    logger.addHandler(handler)
