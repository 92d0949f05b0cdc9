import asyncpg
import redis.asyncio


async def test_postgres_answers(postgres_server: str) -> None:
    """The embedded database speaks UTF-8 and keeps checksums."""
    connection = await asyncpg.connect(postgres_server)
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW data_checksums") == "on"
        assert await connection.fetchval("SELECT datlocale FROM pg_database WHERE datname = 'readingroom'") == "C.UTF-8"
    finally:
        await connection.close()


async def test_fresh_database_is_empty(fresh_database: str) -> None:
    connection = await asyncpg.connect(fresh_database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()


async def test_valkey_is_clean(clean_redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(clean_redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("a", "b")
