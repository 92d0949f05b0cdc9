"""Connections to Redis or Valkey, and the one place where their errors are translated."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisClusterException, RedisError

from application.errors import CacheUnavailable

RedisClient = Redis | RedisCluster

_CLUSTER_SCHEMES: Final = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}


def connect(
    url: str,
    *,
    max_connections: int = 64,
    connect_timeout: float = 2.0,
    timeout: float = 5.0,
    retries: int = 2,
) -> RedisClient:
    """A client that connects at its first command; close it with `aclose()`. Answers are bytes.

    `url` is ``redis://``, ``rediss://``, ``unix://`` or, for Redis Cluster, ``redis+cluster://``. Times are in
    seconds. A command is tried `retries` times more after a lost connection: a restart of the engine costs a
    moment, an outage at most `timeout` a command. When all connections are busy a command waits for one.
    Raises `ValueError` for another scheme.
    """
    retry = Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), retries)
    for scheme, plain in _CLUSTER_SCHEMES.items():
        if url.startswith(scheme):
            return RedisCluster.from_url(
                plain + url.removeprefix(scheme),
                max_connections=max_connections,
                socket_connect_timeout=connect_timeout,
                socket_timeout=timeout,
                retry=retry,
            )
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout,
        socket_connect_timeout=connect_timeout,
        socket_timeout=timeout,
        retry=retry,
        health_check_interval=30,
    )
    return Redis.from_pool(pool)


@contextmanager
def redis_errors() -> Iterator[None]:
    """What redis-py raises becomes `CacheUnavailable`; addresses and values stay out of the message."""
    try:
        yield
    except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
        raise CacheUnavailable(f"Redis cannot be used: {type(error).__name__}.") from error


async def end(task: asyncio.Task[None]) -> None:
    """Cancel until it is over. Once may not be enough: redis-py can swallow a cancellation that meets an answer."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
    if not task.cancelled():
        task.exception()  # looked at, so that it is not reported as lost
