"""For trials by hand: `python -m tests.claude_emulator --port 8900`."""

import argparse
import asyncio
from contextlib import suppress

from tests.claude_emulator.server import ClaudeEmulator


async def _serve(port: int) -> None:
    emulator = ClaudeEmulator(port)
    await emulator.start()
    print(f"ANTHROPIC_BASE_URL={emulator.url}", flush=True)  # noqa: T201 the address to try it at
    try:
        await asyncio.Event().wait()
    finally:
        await emulator.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="claude_emulator", description="The Messages API, emulated.")
    parser.add_argument("--port", type=int, default=8900)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().port))
