"""A virtual watch and both controllers in a process of their own; prints the port of the HCI."""

import asyncio
import sys
from datetime import datetime

from gatewayd.virtual.air import Air
from gatewayd.virtual.peripheral import on_air
from protocols.testing.virtual_watch import VirtualWatch, build_history


async def main(days: int) -> None:
    """Serve until killed."""
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - a watch face has no zone
    watch = VirtualWatch(build_history(now, days=days))
    watch.precompute()
    air = Air()
    async with on_air(air, watch, watch.advertisement), air.serve_controller() as port:
        print(port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
