"""The mapping and the vocabularies on disk, reloaded when they change."""

from purposewatch_connect.mapping import Mapper, lint_mapping, load_mapping
from purposewatch_connect.settings import ConnectSettings
from purposewatch_policy import InvalidSourceError
from purposewatch_policy.vocabulary import load_vocabularies
from purposewatch_runtime import metrics as m
from purposewatch_runtime.service import Component, FileReloader


class MappingFiles:
    """The mapper of the files' current state."""

    def __init__(self, settings: ConnectSettings, metric_set: m.MetricSet) -> None:
        """Load the files. Raises `InvalidSourceError` with every fault of them."""

        def reloaded(error: Exception | None) -> None:
            metric_set.gauge(m.CONNECT_MAPPING_RELOAD_FAILED).set(1 if error else 0)

        interval = settings.policies_reload_seconds
        self._vocabularies = FileReloader(
            settings.policies_dir, load_vocabularies, interval=interval, on_result=reloaded
        )
        self._mapping = FileReloader(
            settings.connect_mapping_file,
            load_mapping,
            interval=interval,
            on_result=reloaded,
            name="mapping file",
        )
        faults = lint_mapping(self._mapping.current, self._vocabularies.current)
        if faults:
            raise InvalidSourceError(faults)
        self._of: tuple[object, object] = (None, None)
        self._mapper = self.mapper()

    @property
    def components(self) -> tuple[Component, ...]:
        """What checks the files while the process runs."""
        return (self._vocabularies, self._mapping)

    @property
    def publisher(self) -> str:
        """The publisher that the mapping names. Another one counts after a restart."""
        return self._mapping.current.publisher

    def mapper(self) -> Mapper:
        """The mapper to use now."""
        mapping, vocabularies = self._mapping.current, self._vocabularies.current
        if self._of[0] is not mapping or self._of[1] is not vocabularies:
            self._mapper = Mapper(mapping, vocabularies)
            self._of = (mapping, vocabularies)
        return self._mapper
