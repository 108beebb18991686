"""Puts together what gives pseudonyms, from the settings."""

from purposewatch_ingest.pseudonyms.derived import DerivedPseudonyms
from purposewatch_ingest.pseudonyms.interface import Pseudonyms
from purposewatch_ingest.pseudonyms.key_file import decode_key, load_key_ring
from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, KeyRing, SubjectKey
from purposewatch_ingest.pseudonyms.stored import StoredPseudonyms
from purposewatch_ingest.settings import IngestSettings
from purposewatch_runtime.service import FileReloader


def watch_keys(settings: IngestSettings) -> FileReloader[KeyRing] | None:
    """The file of keys, loaded again when it changes; `None` if there is one key alone.

    Raises `InvalidSourceError`.
    """
    if settings.pseudonym_keys_file is None:
        return None
    return FileReloader(
        settings.pseudonym_keys_file,
        load_key_ring,
        interval=settings.policies_reload_seconds,
        on_result=lambda _: None,  # the log says that a file is faulty
        name="keys of pseudonyms",
    )


def build_pseudonyms(
    settings: IngestSettings, keys: FileReloader[KeyRing] | None
) -> tuple[Pseudonyms, StoredPseudonyms | None]:
    """What gives pseudonyms, and the part of it that has to be started, if it has one."""
    ring = _ring_of_one(settings)

    def current() -> KeyRing:
        return ring if keys is None else keys.current

    if settings.subject_pseudonyms_url is None:
        return DerivedPseudonyms(current), None
    stored = StoredPseudonyms(
        settings.subject_pseudonyms_url,
        current,
        cache_seconds=settings.subject_pseudonyms_cache_seconds,
        cache_subjects=settings.subject_pseudonyms_cache_subjects,
    )
    return stored, stored


def _ring_of_one(settings: IngestSettings) -> KeyRing:
    """The one key for all controllers; empty if there is a file of keys."""
    if settings.pseudonym_key is None:
        return KeyRing({})
    key = decode_key(settings.pseudonym_key.get_secret_value())
    return KeyRing({ALL_OTHERS: [SubjectKey(settings.pseudonym_key_id, key)]})
