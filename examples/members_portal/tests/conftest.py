"""Configures the client once; the plugin captures what it records."""

import purposewatch_client as purposewatch

purposewatch.configure(
    source="/portal", controller="wework-labs", ingest_url="http://127.0.0.1:8600", key="unused"
)
