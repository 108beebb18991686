"""Measures the pipeline on a real Apache Kafka: `python -m bench.pipeline`."""
