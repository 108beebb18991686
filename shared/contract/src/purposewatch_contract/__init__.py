"""The contract between Purposewatch's services: messages, topics, vocabulary, settings, metrics."""
