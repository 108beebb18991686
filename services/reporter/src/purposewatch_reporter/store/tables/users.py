"""Who may sign in to the page, and who is signed in."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from purposewatch_reporter.store.tables.schema import UtcTime, metadata

# Who may sign in to the page. Without a password, only through another identity provider.
accounts = Table(
    "accounts",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password_hash", String),
    Column("created_time", UtcTime, nullable=False),
    Column("password_time", UtcTime),
)

# Who is signed in. The token itself is only in the browser.
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("username", String(64), ForeignKey("accounts.username"), nullable=False),
    Column("created_time", UtcTime, nullable=False),
    Column("seen_time", UtcTime, nullable=False),
    Column("expires_time", UtcTime, nullable=False),
    Index("ix_sessions_username", "username"),
    Index("ix_sessions_expires_time", "expires_time"),
)

# Where a user has signed in from: failures of strangers elsewhere do not lock these out.
sign_in_networks = Table(
    "sign_in_networks",
    metadata,
    Column("username", String(64), ForeignKey("accounts.username"), primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("used_time", UtcTime, nullable=False),
    Index("ix_sign_in_networks_used_time", "used_time"),
)

# Authenticator apps. The secret is derived from the salt and a key that is not in the database;
# codes of the last used step and before are not accepted. Not confirmed: being set up.
second_factors = Table(
    "second_factors",
    metadata,
    Column("username", String(64), ForeignKey("accounts.username"), primary_key=True),
    Column("salt", LargeBinary(16), nullable=False),
    Column("confirmed_time", UtcTime),
    Column("last_step", BigInteger, nullable=False),
)

# Recovery codes that were not used yet, as keyed hashes.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("username", String(64), ForeignKey("accounts.username"), primary_key=True),
    Column("code_hash", LargeBinary(32), primary_key=True),
)

# Failed attempts to sign in, by account name and by address, whether or not either exists.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_time", UtcTime, nullable=False),
    Column("blocked_until", UtcTime, nullable=False),
    Index("ix_sign_in_failures_last_time", "last_time"),
)
