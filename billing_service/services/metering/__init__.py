"""Turn stored frames into sessions: plug-in to unplug, energy by source, charging periods.

Works off the marks that ingest leaves behind. A running session is folded frame by frame; one
that got frames late, an event, or a visit by another process is folded anew, by the summaries
that were kept of its frames. The result is the same whatever came first.
"""

from billing_service.services.metering.parts import ENDED_BY_ADMIN
from billing_service.services.metering.rounds import Metering, running_cost
from billing_service.services.metering.rules import MeteringSettings

__all__ = ["ENDED_BY_ADMIN", "Metering", "MeteringSettings", "running_cost"]
