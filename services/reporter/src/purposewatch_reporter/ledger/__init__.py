"""Which events are accounted for: pure state, no database, no Kafka, no clock."""
