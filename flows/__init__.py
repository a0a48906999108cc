"""Order, retries and visibility, with Prefect; the work itself is in `components`.

Promise: no telemetry (law 10). Prefect reads these when it is imported; what the user has
set stays.
"""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
