"""What every service runs on: Kafka clients, life cycle, metrics, logs and settings."""
