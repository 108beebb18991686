"""Whether every event in Kafka is accounted for in the ledger."""
