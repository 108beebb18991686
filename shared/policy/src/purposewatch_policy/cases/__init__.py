"""The cases beside a policy: expected verdicts as data."""
