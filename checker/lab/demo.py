"""`make demo`: what bgsafe says of a real server, and then what a real save does. Takes about half a minute.

It is one run of the lab, on a server whose memory limit lies between its expected and its worst case, so that the
verdict is the interesting one; the question before the fork is put by the real command.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from checker.lab import cgroup
from checker.lab.interrupts import Interrupted
from checker.lab.load import Workload
from checker.lab.predict import predict
from checker.lab.run import Plan, between, run_case
from checker.lab.server import LabError
from checker.lab.servers import NO_SERVER, Binary, find_servers
from checker.lab.tables import side_by_side
from checker.policy import Assumptions
from checker.units import format_bytes

WORKLOAD: Final = Workload(keys=600_000, value_bytes=100, write_rate_per_second=4_000)

BETWEEN: Final = 0.6
"""Where the limit lies between the expected peak (0) and the worst (1): a judgement, well away from both."""

BGSAFE: Final = "import sys; from checker.cli import main; sys.exit(main())"
"""The command itself, by the interpreter that runs us: `bgsafe` need not be on the PATH."""


def say(text: str = "") -> None:
    """Print a line at once, so that it stays in order with what the command prints."""
    print(text, flush=True)  # noqa: T201  # a program for people


def run_bgsafe(pid: int, url: str, assumptions: Assumptions) -> None:
    """Run the real command on the server, and show what is typed and what it answers."""
    arguments = ["node", "--pid", str(pid), "--redis", url]
    arguments += ["--write-rate", f"{assumptions.write_rate_per_second:.0f}"]
    arguments += ["--save-seconds", f"{assumptions.save_seconds:.2f}"]
    arguments += ["--keys", str(assumptions.keys), "--value-size", str(assumptions.value_bytes)]
    say(f"\n$ bgsafe {' '.join(arguments)}\n")
    status = subprocess.run([sys.executable, "-c", BGSAFE, *arguments], check=False).returncode
    # Exit 1 only says that the verdict is `unsafe`: the demo goes on, as its reader would.
    if status > 1:
        raise LabError(f"bgsafe node ended with exit status {status}")
    say("\nNow a real BGSAVE under that load ...")


def demonstrate(binary: Binary) -> None:
    """Load, limit, ask, save, compare. Raises LabError, OSError, Interrupted."""
    refusal = cgroup.refusal()
    limit = between(BETWEEN) if refusal is None else None
    if refusal is not None:
        say(f"No memory cgroup of its own for the server, so it has no limit: {refusal}")
    say(f"{binary}: {WORKLOAD}; a first save, to see how long one takes here ...")
    run = run_case(Plan(binary=binary, workload=WORKLOAD, limit=limit), predict=predict, ask=run_bgsafe)
    if run.live is None or run.live.outcome != "saved":
        raise LabError(f"the save did not finish: {run.live}")
    say()
    for line in side_by_side(run, run.live):
        say(line)
    say(f"\nFor the writes that really came, the model says {format_bytes(run.prediction.cow_bytes)} copied.")


def main() -> int:
    """Run the demonstration; return its exit status."""
    servers = find_servers()
    if not servers:
        say(str(NO_SERVER))
        return 3
    try:
        demonstrate(servers[0])
    except Interrupted as interrupted:
        say(f"\n{interrupted}; nothing was left behind")
        return 128 + interrupted.number
    except (LabError, OSError) as error:
        say(f"The demonstration stopped: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
