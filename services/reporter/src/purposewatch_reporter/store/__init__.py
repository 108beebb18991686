"""What is remembered: tables, engines, migrations, and the statements that keep the ledger."""
