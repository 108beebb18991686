"""`/v1/erasures`: forget a data subject."""
