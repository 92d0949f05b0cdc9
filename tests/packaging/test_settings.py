"""What the containers and the documentation say of the settings is what the settings are."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from entrypoints import settings as module
from entrypoints.engines import environment_of
from entrypoints.settings import Settings, load_settings, variable_of

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("readingroom:")]
VARIABLES = {variable_of(name) for name in Settings.model_fields}
DEFAULT = re.compile(r"\$\{(?P<name>\w+):-(?P<value>[^}]*)\}")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no variable of this machine's."""
    for name in set(os.environ) & VARIABLES:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def secrets(alone: Path) -> Path:
    script = shutil.copy(ROOT / "deploy" / "make_secrets.py", alone)
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    return alone / "secrets"


@pytest.mark.parametrize("name", OURS)
def test_variables_of_a_container_are_settings(name: str) -> None:
    """No variable is misspelt, and those that the host may override bear the same name outside."""
    for variable, value in SERVICES[name].get("environment", {}).items():
        assert variable in VARIABLES
        for default in DEFAULT.finditer(value):
            assert default["name"] == variable


def test_variables_of_the_image_are_settings() -> None:
    """So are those that the image sets."""
    found = set(re.findall(r"\b(READINGROOM_\w+)=", (ROOT / "Dockerfile").read_text()))

    assert found
    assert found <= VARIABLES


@pytest.mark.parametrize("name", ["api", "worker", "migrate"])
def test_a_container_starts_from_its_variables_and_secrets(
    name: str, alone: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as in the container, they name every engine by its service, and nothing is left to be embedded."""
    service = SERVICES[name]
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, DEFAULT.sub(lambda default: default["value"], value))
    mounted = alone / "mounted"
    mounted.mkdir()
    for secret in service["secrets"]:
        shutil.copy(secrets / secret, mounted)
    monkeypatch.setattr(module, "SECRETS_DIR", mounted)

    settings = load_settings()

    urls = {
        "postgres:5432": settings.database_url,
        "valkey:6379": settings.redis_url,
        "qdrant:6333": settings.qdrant_url,
        "embedder:8001": settings.embedding_url,
    }
    for address, url in urls.items():
        assert address in (url or "")
        assert address.split(":")[0] in SERVICES
    assert settings.secret_key is not None
    assert settings.qdrant_api_key is not None
    assert settings.embedding_api_key is not None
    assert settings.anthropic_api_key is None  # the file is there, and empty
    assert not settings.postgres_is_embedded
    assert str(settings.blob_root) == "/srv/readingroom/files"


def test_a_key_in_the_file_is_taken(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claude's key comes from the file of that name."""
    (secrets / "anthropic_api_key").write_text("a key\n")
    monkeypatch.setattr(module, "SECRETS_DIR", secrets)

    settings = load_settings()

    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == "a key"


def test_the_embedder_asks_for_the_key_that_its_clients_send() -> None:
    """API and worker are given the secret that the embedder is given."""
    for name in ("api", "worker", "embedder"):
        assert "readingroom_embedding_api_key" in SERVICES[name]["secrets"]


def test_every_setting_is_documented() -> None:
    """The table of docs/configuration.md has one line for each setting and none for anything else."""
    lines = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)

    assert sorted(lines) == sorted(VARIABLES)


def test_a_process_gets_exactly_the_settings_of_its_parent(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets, lists and tables of prices survive the way through the environment."""
    settings = load_settings(
        anthropic_api_key="key",
        secret_key="s" * 32,
        allowed_origins=("https://a.example", "https://b.example"),
        model_prices={"claude-x": (1.5, 2.0)},
        monthly_tokens_per_user=7,
    )
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)

    assert settings.model_dump() == load_settings().model_dump()


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [("READINGROOM_PORT", "eighty", "a whole number"), ("READINGROOM_QDRANT_ON_DISK", "perhaps", "true or false")],
)
def test_a_wrong_value_is_one_line(
    alone: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, accepted: str
) -> None:
    """Which variable, what was wrong, and what is accepted."""
    monkeypatch.setenv(name, value)

    with pytest.raises(module.SettingsError) as refused:
        load_settings()

    assert [f"{name}: {value!r} is not accepted; accepted: {accepted}"] == refused.value.lines
