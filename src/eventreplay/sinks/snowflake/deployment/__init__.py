"""One environment in a Snowflake account: what it consists of, how it is made, and whether it is still so.

`sql/NNN_*.sql` is the one source: migrations, applied in order and once, recorded in a ledger. `check` takes
what has to be there from the same files. Decision 028 says why.
"""

from __future__ import annotations

from eventreplay.sinks.snowflake.deployment.check import check_deployment
from eventreplay.sinks.snowflake.deployment.files import Migration, migrations
from eventreplay.sinks.snowflake.deployment.migrate import Outcome, migrate
from eventreplay.sinks.snowflake.deployment.names import Deployment

__all__ = ["Deployment", "Migration", "Outcome", "check_deployment", "migrate", "migrations"]
