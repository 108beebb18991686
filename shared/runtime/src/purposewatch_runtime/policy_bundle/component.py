"""Keeps the newest bundle that may be used in a directory, from which policies are loaded."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from purposewatch_policy import InvalidSourceError
from purposewatch_policy.yaml_reader import Location
from purposewatch_runtime import metrics as m
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.policy_bundle.archive import Bundle, BundleError, read_bundle
from purposewatch_runtime.policy_bundle.fetch import (
    BundleSource,
    Fetched,
    FetchError,
    FileSource,
    HttpSource,
)
from purposewatch_runtime.policy_bundle.minisign import (
    PublicKey,
    SignatureError,
    read_public_keys,
    verify,
)
from purposewatch_runtime.policy_bundle.store import BundleStore
from purposewatch_runtime.settings import PolicySettings

_ATTEMPTS = 10
_PAUSE_SECONDS = 2.0
_ERRORS_LOGGED = 3

_log = get_logger(__name__)


class PolicyBundle:
    """Fetches, checks and installs bundles.

    A bundle is refused, and the one before stays in use, when its signature is missing or not of a
    trusted key (if there are `keys`), when it is older than the installed one (if `refuses_older`),
    or when its policies are faulty.
    """

    name = "policy bundle"

    def __init__(  # noqa: PLR0913 - composition happens once, in `policy_bundle`
        self,
        source: BundleSource,
        store: BundleStore,
        *,
        keys: Callable[[], Sequence[PublicKey] | None],
        refuses_older: bool,
        interval: float,
        metric_set: m.MetricSet,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._store = store
        self._keys = keys
        self._refuses_older = refuses_older
        self._interval = interval
        self._info = metric_set.gauge(m.POLICY_BUNDLE_NUMBER)
        self._checked = metric_set.gauge(m.POLICY_BUNDLE_CHECKED)
        self._refused = metric_set.gauge(m.POLICY_BUNDLE_REFUSED)
        self._refused.set(0)
        self._clock = clock
        self._installed: Bundle | None = None
        self._tag: str | None = None
        self._error = "it was not fetched yet"
        self._task: asyncio.Task[None] | None = None

    def prepare(self, *, attempts: int = _ATTEMPTS, pause: float = _PAUSE_SECONDS) -> None:
        """Install the stored bundle, or else the first that can be fetched, before the start.

        Raises `InvalidSourceError` if there is none after these attempts.
        """
        stored = self._store.stored()
        if stored is not None:
            self._admit(stored)
        for attempt in range(attempts):
            self.refresh()
            if self._installed is not None:
                return
            if attempt < attempts - 1:
                time.sleep(pause)
        message = f"no policy bundle can be used: {self._error}"
        raise InvalidSourceError([Location("PURPOSEWATCH_POLICIES_BUNDLE").error(message)])

    def refresh(self) -> None:
        """Fetch once, and install what is new and may be used."""
        try:
            fetched = self._source.fetch(self._tag)
        except FetchError as error:
            self._error = str(error)
            _log.warning("policy bundle not fetched", error=str(error))
            return
        except BundleError as error:
            self._refuse(str(error))
            return
        self._checked.set(self._clock())
        # what was refused is fetched again: its signature may only have come later
        if fetched is not None and self._admit(fetched):
            self._tag = fetched.tag

    def _admit(self, fetched: Fetched) -> bool:
        """Install a bundle if it may be used; whether it is the one in use now."""
        try:
            bundle = self._check(fetched)
            if self._installed is None or bundle.digest != self._installed.digest:
                self._store.install(bundle, fetched)
                self._show(bundle)
        except (BundleError, SignatureError) as error:
            self._refuse(str(error))
        except InvalidSourceError as error:
            listed = "; ".join(map(str, error.errors[:_ERRORS_LOGGED]))
            self._refuse(f"its policies are faulty: {listed}")
        except OSError as error:
            self._refuse(f"it can't be stored: {(error.strerror or 'failed').lower()}")
        else:
            self._refused.set(0)
            return True
        return False

    def _check(self, fetched: Fetched) -> Bundle:
        keys = self._keys()
        if keys is not None:
            if fetched.signature is None:
                message = "it has no signature; sign it, and publish the signature beside it"
                raise SignatureError(message)
            verify(fetched.archive, fetched.signature, keys)
        bundle = read_bundle(fetched.archive)
        before = self._installed
        if self._refuses_older and before is not None and bundle.number < before.number:
            message = f"its number {bundle.number} is older than {before.number}, which is in use"
            raise BundleError(message)
        return bundle

    def _show(self, bundle: Bundle) -> None:
        self._installed = bundle
        self._info.clear()
        self._info.labels(bundle.digest).set(bundle.number)
        _log.info("policy bundle installed", number=bundle.number, digest=bundle.digest[:12])

    def _refuse(self, reason: str) -> None:
        self._error = reason
        self._refused.set(1)
        _log.error("policy bundle refused; the one before stays in use", error=reason)

    async def start(self) -> None:
        """Begin to check."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop checking; what is installed stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await asyncio.to_thread(self.refresh)


def policy_bundle(settings: PolicySettings, metric_set: m.MetricSet) -> PolicyBundle | None:
    """What the settings ask for; `None` where policies are plain files."""
    place = settings.policies_bundle
    if place is None:
        return None
    source: BundleSource
    if place.startswith(("http://", "https://")):
        source = HttpSource(place, settings.policies_bundle_token_file)
    else:
        source = FileSource(Path(place))
    keys_file = settings.policies_bundle_keys_file

    def keys() -> Sequence[PublicKey] | None:
        if keys_file is None:
            return None
        try:
            return read_public_keys(keys_file.read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            message = f"{keys_file} can't be read ({type(error).__name__})"
            raise SignatureError(message) from None

    return PolicyBundle(
        source,
        BundleStore(settings.policies_bundle_dir),
        keys=keys,
        refuses_older=settings.policies_bundle_refuse_older,
        interval=settings.policies_bundle_poll_seconds,
        metric_set=metric_set,
    )
