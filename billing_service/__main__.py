"""``python -m billing_service`` is ``solarrally``."""

from billing_service.cli import app

app(prog_name="solarrally")
