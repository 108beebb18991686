"""Facts: what was stated about subjects, and which verdicts were reached without knowing it."""
