"""What all tables belong to."""

from typing import Any

from sqlalchemy import Column, MetaData
from sqlalchemy.types import BigInteger

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def energy_columns() -> tuple[Column[Any], ...]:
    """Return what a stretch of time sums up to: energies mWh, powers mW."""
    return (
        Column("frames", BigInteger, nullable=False),
        Column("solar_mwh", BigInteger, nullable=False),
        Column("grid_mwh", BigInteger, nullable=False),
        Column("mean_power_mw", BigInteger, nullable=False),
        Column("max_power_mw", BigInteger, nullable=False),
    )
