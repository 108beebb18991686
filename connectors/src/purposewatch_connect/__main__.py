"""Run a connector: `python -m purposewatch_connect`."""

from purposewatch_connect.main import app

app()
