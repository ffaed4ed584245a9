"""How every process writes its logs."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Write one JSON object a line to stderr, for our own events and for the libraries' messages alike."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("celery", "kombu"):  # several lines for each tick of the schedule
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # They log each connection problem that we handle and log ourselves.
    for noisy in ("neo4j", "psycopg.pool", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
