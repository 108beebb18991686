"""The database: tables, engines, migrations, and the statements of the ledger."""
