"""A test that holds the engines of the fixtures until it is interrupted; run by path, never collected by itself."""

import sys
import time


def test_hold(postgres_server: str, redis_url: str) -> None:
    sys.stdout.write(f"\n{postgres_server} {redis_url}\n")
    sys.stdout.flush()
    time.sleep(60)
