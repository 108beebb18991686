"""What the team makes of violations and findings, and the trail of it."""
