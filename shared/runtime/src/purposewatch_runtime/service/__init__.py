"""The life cycle of a service: start, probes, measurements of its own, clean shutdown."""

from purposewatch_runtime.service.event_loop import EventLoopWatch
from purposewatch_runtime.service.file_reloader import FileReloader, fingerprint
from purposewatch_runtime.service.probes import Check, health_routes
from purposewatch_runtime.service.request_timing import TRACE_ID, RequestTiming
from purposewatch_runtime.service.server import run
from purposewatch_runtime.service.supervisor import (
    Component,
    FatalError,
    Supervisor,
    UnavailableError,
)
from purposewatch_runtime.service.tls import watch_tls

__all__ = [
    "TRACE_ID",
    "Check",
    "Component",
    "EventLoopWatch",
    "FatalError",
    "FileReloader",
    "RequestTiming",
    "Supervisor",
    "UnavailableError",
    "fingerprint",
    "health_routes",
    "run",
    "watch_tls",
]
