"""What was never seen before, and publishers that depart from their rhythm."""
