"""PostgreSQL with pgaudit: lines of its log become data-access events."""
