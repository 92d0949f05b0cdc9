"""What every password hasher promises."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from adapters.security.passwords import Argon2Passwords
from application.errors import HasherBusy
from application.ports.security import PasswordHasher
from tests.fakes.security import FakePasswords

SECRET = "Grüße aus dem Lesesaal"


@pytest.fixture(scope="module")
def argon2_passwords() -> Iterator[Argon2Passwords]:
    passwords = Argon2Passwords(concurrency=2)
    yield passwords
    passwords.close()


@pytest.fixture(scope="module")
def fake_passwords() -> FakePasswords:
    return FakePasswords()


@pytest.fixture(params=["fake_passwords", "argon2_passwords"])
def passwords(request: pytest.FixtureRequest) -> PasswordHasher:
    made: PasswordHasher = request.getfixturevalue(request.param)
    return made


async def test_only_the_right_password_verifies(passwords: PasswordHasher) -> None:
    """The same password is taken, any other is not, and the hash does not hold it."""
    made = await passwords.hash(SECRET)

    assert SECRET not in made
    assert await passwords.verify(SECRET, made)
    assert not await passwords.verify(SECRET + " ", made)
    assert not await passwords.verify("", made)


async def test_each_hash_has_its_own_salt(passwords: PasswordHasher) -> None:
    """Two users with one password cannot be recognised by their hashes."""
    first, second = await passwords.hash(SECRET), await passwords.hash(SECRET)

    assert first != second
    assert await passwords.verify(SECRET, second)


@pytest.mark.parametrize("damaged", ["", "nonsense", "$argon2id$v=19$m=1$x", "\0"])
async def test_damaged_hash_verifies_nothing(passwords: PasswordHasher, damaged: str) -> None:
    """A hash that cannot be read matches no password and is due to be made again."""
    assert not await passwords.verify(SECRET, damaged)
    assert passwords.needs_rehash(damaged)


async def test_no_user_verifies_nothing(passwords: PasswordHasher) -> None:
    """Without a hash the answer is no, for every password."""
    assert not await passwords.verify(SECRET, None)
    assert not await passwords.verify("", None)


async def test_any_text_is_a_password(passwords: PasswordHasher) -> None:
    """NUL, lone surrogates and great length do not break it."""
    for odd in ("a\0b", "a\ud800b", "x" * 1024):
        assert await passwords.verify(odd, await passwords.hash(odd))
    assert not await passwords.verify("a\0c", await passwords.hash("a\0b"))


async def test_todays_hash_needs_no_rehash(passwords: PasswordHasher) -> None:
    """Only hashes of other parameters are made again."""
    assert not passwords.needs_rehash(await passwords.hash(SECRET))


def test_common_passwords(passwords: PasswordHasher) -> None:
    """What everybody tries first is known, in any case; a sentence of one's own is not."""
    assert passwords.is_common("password1234")
    assert passwords.is_common("QWERTY123456")
    for walk in ("123456789012", "Abcdefghijkl", "987654321098", "qwertyuiop[]", "qwertyuiopas", "123123123123"):
        assert passwords.is_common(walk), walk
    assert not passwords.is_common("the brown otter reads at night")


@pytest.mark.parametrize(
    "password", ["Password123!", "passwordpassword", "dragon123456", "aaaaaaaaaaaa", "111111111111", "iloveyou!!!!!!!"]
)
def test_padded_common_passwords(argon2_passwords: Argon2Passwords, password: str) -> None:
    """A common password repeated or padded to the minimum length is still common."""
    assert argon2_passwords.is_common(password)


@pytest.mark.parametrize("password", ["correct horse battery", "kQ7#vLm2!xRw9", "dragonfly-lantern-72", "otter" * 30])
def test_uncommon_passwords(argon2_passwords: Argon2Passwords, password: str) -> None:
    """Length or chance make a password one's own."""
    assert not argon2_passwords.is_common(password)


async def test_parameters_are_owasps(argon2_passwords: Argon2Passwords) -> None:
    """Argon2id with 19 MiB, two passes, one lane; another setting asks for a new hash."""
    made = await argon2_passwords.hash(SECRET)
    others = Argon2Passwords(concurrency=1, time_cost=3)

    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert others.needs_rehash(made)
    assert await others.verify(SECRET, made)
    others.close()


async def test_unknown_user_takes_as_long(argon2_passwords: Argon2Passwords) -> None:
    """Time does not tell whether the user exists: the same work is done for nobody."""
    made = await argon2_passwords.hash(SECRET)

    async def seconds(password_hash: str | None) -> float:
        times = []
        for _ in range(9):
            start = time.process_time()  # of all threads; how long they wait for a processor is no work
            await argon2_passwords.verify("wrong", password_hash)
            times.append(time.process_time() - start)
        return statistics.median(times)

    nobody, somebody = await seconds(None), await seconds(made)

    assert nobody > somebody / 3


async def test_event_loop_stays_free(argon2_passwords: Argon2Passwords) -> None:
    """While many hashes wait their turn the loop turns thousands of times."""
    hashing = asyncio.gather(*(argon2_passwords.hash(SECRET) for _ in range(8)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    await hashing

    assert turns > 100


async def test_a_line_that_is_too_long_turns_the_rest_away() -> None:
    """At once, with the time to come back; those in line are served, and then there is room again."""
    passwords = Argon2Passwords(concurrency=1, most_waiting=3)
    stored = await passwords.hash(SECRET)
    told = await asyncio.gather(*(passwords.verify(SECRET, stored) for _ in range(9)), return_exceptions=True)
    again = await passwords.verify(SECRET, stored)
    passwords.close()

    assert [True] * 4 == told[:4]
    assert all(isinstance(error, HasherBusy) and error.retry_after for error in told[4:])
    assert again


def test_import_does_not_load_the_list() -> None:
    """The list of common passwords, and zxcvbn's scoring, cost nothing until a password is set."""
    code = f"import sys, {Argon2Passwords.__module__}; sys.exit(any(n.startswith('zxcvbn') for n in sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
