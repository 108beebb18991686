"""Records of processing activities: what was declared beside what was observed."""
