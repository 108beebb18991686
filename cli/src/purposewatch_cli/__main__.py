"""`python -m purposewatch_cli` is the command `purposewatch`."""

from purposewatch_cli.main import app

app(prog_name="purposewatch")
