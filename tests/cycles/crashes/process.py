"""A process that runs one cycle up to a step, says so, and waits there to be killed.

Usage: python -m tests.cycles.crashes.process ACCOUNT STEP
"""

import os
import sys

import django


def main(account_name: str, wanted: str) -> None:
    """Run the cycle; what the account needs is in the environment."""
    django.setup()
    from reconciliation import conf
    from reconciliation.clock import SystemClock
    from reconciliation.cycles.gateways import AccountGateways
    from reconciliation.cycles.ports import Ports
    from reconciliation.cycles.reconcile import reconcile_accounts
    from reconciliation.enums import CycleStep

    def reach(step: CycleStep) -> None:
        if step == wanted:
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()
            # It ends only when whoever started it has: then nobody is there to kill this.
            sys.stdin.read()
            os._exit(1)

    clock = SystemClock()
    ports = Ports(
        conf=conf.require({}),
        clock=clock,
        gateways=AccountGateways(clock=clock, environ=os.environ),
        reach=reach,
    )
    reconcile_accounts(ports=ports, account=account_name)


if __name__ == "__main__":
    main(*sys.argv[1:])
