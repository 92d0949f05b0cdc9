"""Requests that are made from the published document: no answer is a defect, and all are as documented."""

import asyncio
from collections.abc import Awaitable, MutableMapping
from contextlib import suppress
from typing import Any

import httpx
import pytest
import requests  # type: ignore[import-untyped]
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.fakes.assembly import Assembly
from tests.http.checker import Contract
from tests.http.conftest import Member
from tests.http.test_tenants import foreign_of

EXAMPLES = 2  # of each operation and mode
PATIENCE = 30.0  # seconds for one answer
# They end the log-in that the others need, or go on for ever.
LEFT_OUT = {"logOut", "changePassword", "revokeSession", "deleteWorkspace", "removeMember", "followDocument", "metrics"}
ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")


def operations(document: dict[str, Any]) -> list[Any]:
    """All but those left out; what removes things comes last."""
    found = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
    kept = [operation for operation in found if operation.definition.raw["operationId"] not in LEFT_OUT]
    return sorted(kept, key=lambda operation: ORDER.index(operation.method.upper()))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
async def test_no_request_finds_a_defect(
    ada: Member,
    assembly: Assembly,
    contract: Contract,
    log_lines: list[MutableMapping[str, Any]],
    mode: GenerationMode,
) -> None:
    """With a valid token and ids that exist: every answer is a documented one, and none is a defect."""
    ids = (await foreign_of(ada, assembly)).ids
    loop = asyncio.get_running_loop()

    def wait(coming: Awaitable[httpx.Response]) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with asyncio.timeout(PATIENCE):
                return await coming

        return asyncio.run_coroutine_threadsafe(answer(), loop).result()

    def send(case: Any) -> None:
        case.path_parameters = {name: ids.get(name, value) for name, value in (case.path_parameters or {}).items()}
        sent = requests.Request(**case.as_transport_kwargs(base_url="http://test")).prepare()
        headers = {**dict(sent.headers), **ada.headers}
        wait(ada.http.request(str(sent.method), str(sent.url), headers=headers, content=sent.body))
        broken = [line for line in log_lines if line["event"] == "request_broke"]
        assert not broken, (case.operation.label, broken)

    for operation in operations(contract.document):
        strategy = operation.as_strategy(generation_mode=mode)
        test = settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given(case=strategy)(send))
        with suppress(Unsatisfiable):  # there is nothing that could be unfitting
            await asyncio.to_thread(test)
