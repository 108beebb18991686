"""OpenTelemetry: spans and log records, received over OTLP, become data-access events."""
