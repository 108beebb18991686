"""How deliveries over HTTP name themselves."""

from importlib.metadata import version

USER_AGENT = f"purposewatch-reporter/{version('purposewatch-reporter')}"
