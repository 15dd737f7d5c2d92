"""Keeps garbage collection to what comes and goes."""

import gc

_THRESHOLDS = (10_000, 20, 20)
"""A batch of messages and its rows are some 10,000 objects; CPython's 2,000 looks at each twice."""


def set_start_up_aside() -> None:
    """Leave what start-up has made out of all collections from now on.

    The libraries' classes, schemas and statements are two hundred thousand objects that stay for
    good. Looking through them again and again took a quarter of the time while frames came in.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
