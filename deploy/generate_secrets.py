"""Generate the secrets that docker-compose.yml reads: `python3 deploy/generate_secrets.py`.

With `--traffic` it also generates the keys of the traffic generator's publishers, and with
`--signing` keys with which the services sign their records, and the list of those that are trusted.

It never changes what exists, so it can be run before every start. What it writes is readable only
by its owner, and it prints no secret. It needs the standard library, and `openssl`.
"""

import base64
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

PUBLISHER = "crm"
"""The first publisher's name: its events' `source` is `/crm` or below it."""

PLAYED = {
    "membership": "wework-labs",
    "workplace": "wework-labs",
    "reception": "wework-labs",
    "billing": "wework-labs",
    "marketing": "wework-labs",
    "lending-app": "linggan-house",
    "risk": "linggan-house",
    "collections": "linggan-house",
}
"""The publishers of `purposewatch traffic`, each with its controller."""

STATING = {
    "consent-platform": ("wework-labs", ["consent.marketing"]),
    "loan-system": ("linggan-house", ["loan.overdue", "creditor.commissioned_collection"]),
    "account-settings": (
        "linggan-house",
        ["authorisation.partner_products", "location.enabled", "location.service_in_use"],
    ),
}
"""The systems that state facts there, each with its controller and its facts."""


KAFKA_USERS = ("ingest", "auditor", "reporter", "dead-letters", "replay", "publisher-crm")
"""The users of Kafka, without their prefix: those of deploy/kafka/acls.yaml."""

SIGNERS = ("ingest", "auditor", "command-line")
"""Who signs records: docs/signed-records.md."""

_CERTIFICATE_DAYS = 3 * 365
_CERTIFICATES = """\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:kafka, DNS:localhost, IP:127.0.0.1
"""


class MissingProgramError(Exception):
    """A program that is needed is not installed; the text says what to do."""


def _pseudonym_key() -> str:
    return (
        "# Whoever has this key can tell whose events are whose. Back it up in a safe place:\n"
        "# without it, later pseudonyms do not match the earlier ones.\n"
        f"PURPOSEWATCH_PSEUDONYM_KEY={secrets.token_hex(32)}\n"
        "PURPOSEWATCH_PSEUDONYM_KEY_ID=1\n"
    )


def _reporter_token() -> str:
    return (
        "# The bearer token of the reporter's API. Further settings of the reporter may follow.\n"
        f"PURPOSEWATCH_REPORTER_API_TOKEN={secrets.token_urlsafe(32)}\n"
        "# Enables the second factor of the page. Without it every user must set it up again.\n"
        f"PURPOSEWATCH_REPORTER_TOTP_KEY={secrets.token_hex(32)}\n"
    )


def _event_status_token() -> str:
    return (
        "# With this, ingest asks the reporter what became of events, and nothing else.\n"
        f"PURPOSEWATCH_REPORTER_EVENT_STATUS_TOKEN={secrets.token_urlsafe(32)}\n"
    )


def _database_password() -> str:
    password = secrets.token_hex(32)
    return (
        "# One password under the names that the server and its client read.\n"
        f"POSTGRES_PASSWORD={password}\n"
        f"PGPASSWORD={password}\n"
    )


def _publisher_key() -> str:
    return f"pwk_{secrets.token_urlsafe(32)}\n"


def _dashboard_password() -> str:
    return (
        "# Grafana's user `admin`; only read when its volume is initialised.\n"
        f"GF_SECURITY_ADMIN_PASSWORD={secrets.token_urlsafe(24)}\n"
    )


def _kafka_password(user: str) -> str:
    password = secrets.token_urlsafe(32)
    variable = user.upper().replace("-", "_")
    return (
        "# One password under the names that kafka-setup and the client read.\n"
        f"PASSWORD_{variable}={password}\n"
        f"PURPOSEWATCH_KAFKA_SASL_PASSWORD={password}\n"
    )


def _openssl(directory: Path, *arguments: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - no argument comes from outside
            ["openssl", *arguments],  # noqa: S607 - whichever there is
            cwd=directory,
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        message = "openssl is not installed; install it, and run this again"
        raise MissingProgramError(message) from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        message = f"openssl failed; OpenSSL 1.1.1 or newer is needed: {said}"
        raise MissingProgramError(message) from None


def _broker_certificate() -> tuple[str, str]:
    """A certificate for the broker with its key, as settings, and the authority that issued it.

    Nobody keeps the key of the authority: a new certificate has a new one.
    """
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        (at / "openssl.cnf").write_text(_CERTIFICATES, encoding="ascii")
        days = ("-days", str(_CERTIFICATE_DAYS))
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        request = ("req", "-new", "-config", "openssl.cnf", *key)
        _openssl(
            at,
            *(*request, "-x509", *days, "-extensions", "authority", "-keyout", "ca.key"),
            *("-out", "ca.pem", "-subj", "/CN=Purposewatch Kafka"),
        )
        _openssl(at, *request, "-keyout", "kafka.key", "-out", "kafka.csr", "-subj", "/CN=kafka")
        _openssl(
            at,
            *("x509", "-req", "-in", "kafka.csr", "-CA", "ca.pem", "-CAkey", "ca.key", *days),
            *("-set_serial", str(secrets.randbits(64)), "-out", "kafka.pem"),
            *("-extfile", "openssl.cnf", "-extensions", "broker"),
        )
        names = ("ca.pem", "kafka.key", "kafka.pem")
        pem = {each: (at / each).read_text(encoding="ascii") for each in names}
    return (
        "# The broker's key and certificate, in one line each, as Kafka reads them.\n"
        f"KAFKA_SSL_KEYSTORE_KEY='{_in_one_line(pem['kafka.key'])}'\n"
        f"KAFKA_SSL_KEYSTORE_CERTIFICATE_CHAIN='{_in_one_line(pem['kafka.pem'])}'\n"
    ), pem["ca.pem"]


def _in_one_line(pem: str) -> str:
    return pem.strip().replace("\n", r"\n")


def _generate_certificate(settings: Path, authorities: Path) -> dict[Path, bool]:
    """Make a certificate for the broker if there is none; the services trust earlier ones, too."""
    if settings.exists() and authorities.exists():
        return {settings: False, authorities: False}
    text, authority = _broker_certificate()
    settings.unlink(missing_ok=True)  # without the authority that issued it, it is of no use
    earlier = authorities.read_text(encoding="ascii") if authorities.exists() else ""
    authorities.unlink(missing_ok=True)
    # INVARIANT: the authority first; a certificate is never used before its authority is trusted.
    made = {authorities: _create(authorities, lambda: earlier + authority, 0o644)}
    return {settings: _create(settings, lambda: text, 0o600)} | made


def _traffic_keys() -> str:
    keys = ",".join(f"{name}:pwk_{secrets.token_urlsafe(32)}" for name in (*PLAYED, *STATING))
    return f"PURPOSEWATCH_TRAFFIC_API_KEYS={keys}\n"


def _entry(name: str, key: str, controllers: list[str], facts: list[str] | None = None) -> str:
    entry = (
        f"  {name}:\n"
        f"    key_sha256: [{sha256(key.encode()).hexdigest()}]\n"
        f"    controllers: [{', '.join(controllers)}]\n"
    )
    return f"{entry}    states_facts: [{', '.join(facts)}]\n" if facts else entry


def _played(name: str, key: str) -> str:
    if name in STATING:
        controller, facts = STATING[name]
        return _entry(name, key, [controller], facts)
    return _entry(name, key, [PLAYED[name]])


def _register(key: str, controllers: list[str]) -> str:
    return (
        "# Who may publish, by the SHA-256 digests of their keys: see docs/publishing-events.md.\n"
        "publishers:\n" + _entry(PUBLISHER, key, controllers)
    )


def played_publishers(deploy: Path) -> dict[Path, bool]:
    """Generate the traffic generator's keys, and append them to the register.

    Call it after `generate`. Entries are only appended; existing ones do not change.
    """
    keys, register = deploy / "secrets" / "traffic.env", deploy / "publishers" / "publishers.yaml"
    made = {keys: _create(keys, _traffic_keys, 0o600)}
    text = keys.read_text(encoding="utf-8").strip().partition("=")[2]
    held = register.read_text(encoding="utf-8")
    entries = "".join(
        _played(name, key)
        for name, _, key in (pair.partition(":") for pair in text.split(","))
        if f"\n  {name}:" not in held
    )
    if entries:
        # in one write, and last: an entry is read whole or not at all
        with register.open("a", encoding="utf-8") as file:
            file.write(("" if held.endswith("\n") else "\n") + entries)
    return made


def signing_keys(deploy: Path) -> dict[Path, bool]:
    """Generate a key for each who signs, and the file that trusts them. Call it after `generate`.

    Each key has a directory of its own, which is mounted into the container of its service. Only
    the owner reaches it; in the container another user reads it.
    """
    made: dict[Path, bool] = {}
    entries = []
    for name in SIGNERS:
        directory = deploy / "secrets" / "signing" / name
        directory.mkdir(parents=True, exist_ok=True)
        key = directory / "key.pem"
        private, public = _signing_key(key)
        made[key] = _create(key, partial(str, private), 0o644)
        entries.append(f"  - service: {name}\n    public_key: {public}\n")
    trusted = deploy / "trust" / "trusted_keys.yaml"
    text = (
        "# Whose signatures count, and which topics must be signed: docs/signed-records.md.\n"
        "# Take the `#` from the next line once everything that is yet to be read is signed.\n"
        "# required: [events, facts, verdicts, dead-letters]\n"
        "keys:\n" + "".join(entries)
    )
    return made | {trusted: _create(trusted, lambda: text, 0o644)}


def _signing_key(path: Path) -> tuple[str, str]:
    """The private key, which is new unless the file holds one, and its public key in one line."""
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        if path.exists():
            (at / "key.pem").write_text(path.read_text(encoding="ascii"), encoding="ascii")
        else:
            _openssl(at, "genpkey", "-algorithm", "ed25519", "-out", "key.pem")
        _openssl(at, *("pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public"))
        public = base64.b64encode((at / "public").read_bytes()).decode()
        return (at / "key.pem").read_text(encoding="ascii"), public


def _create(path: Path, content: Callable[[], str], mode: int) -> bool:
    """Write a new file in one step, with `mode`; leave an existing one alone."""
    if path.exists():
        return False
    # INVARIANT: a file is complete or absent. An interrupted run leaves no partial key.
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content())
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename, never replaces what another run has just written
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True


def generate(deploy: Path, policies: Path) -> dict[Path, bool]:
    """Generate what is missing below `deploy`; return for each file whether it is new.

    The first publisher may publish for every controller that has a policy below `policies`.
    """
    private, public, trust = deploy / "secrets", deploy / "publishers", deploy / "trust"
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    private.chmod(0o700)
    for each in (public, trust):
        each.mkdir(parents=True, exist_ok=True)
        each.chmod(0o755)  # the services read them as another user
    made = {
        path: _create(path, content, 0o600)
        for path, content in (
            (private / "ingest.env", _pseudonym_key),
            (private / "reporter.env", _reporter_token),
            (private / "event-status.env", _event_status_token),
            (private / "database.env", _database_password),
            (private / "grafana.env", _dashboard_password),
        )
    }
    for user in KAFKA_USERS:
        path = private / f"kafka-{user}.env"
        made[path] = _create(path, partial(_kafka_password, user), 0o600)
    made |= _generate_certificate(private / "kafka.env", trust / "ca.pem")
    register, key = public / "publishers.yaml", private / f"{PUBLISHER}.key"
    if register.exists():  # a key that it doesn't list would be useless
        return made | {register: False}
    controllers = sorted({path.parent.name for path in policies.glob("*/policy*.yaml")})
    made[key] = _create(key, _publisher_key, 0o600)
    text = key.read_text(encoding="utf-8").strip()
    made[register] = _create(register, lambda: _register(text, controllers), 0o644)
    return made


def main() -> None:
    """Generate the files beside this script, and list them."""
    deploy = Path(__file__).resolve().parent
    try:
        made = generate(deploy, deploy.parent / "policies")
        if "--signing" in sys.argv[1:]:
            made |= signing_keys(deploy)
    except MissingProgramError as error:
        sys.exit(str(error))
    if "--traffic" in sys.argv[1:]:
        made |= played_publishers(deploy)
    for path, new in made.items():
        shown = path.relative_to(deploy.parent)
        sys.stdout.write(f"{'made' if new else 'kept'}  {shown}\n")
    sys.stdout.write("Start with: docker compose up --detach --wait\n")


if __name__ == "__main__":
    main()
