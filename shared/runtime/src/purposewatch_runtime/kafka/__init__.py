"""How Purposewatch talks to Kafka: connection, topics, producing and consuming."""
