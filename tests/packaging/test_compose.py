"""docker-compose.yml and what it starts, checked without a Docker engine: every name in it leads somewhere."""

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NGINX = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
PINNED = re.compile(r"^(?:[a-z0-9-]+/)?[a-z0-9-]+:v?\d+\.\d+[\w.-]*$")  # no `latest`, no bare major version
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("readingroom:")}


def _port(service: str) -> str:
    command = OURS[service]["command"]
    return str(command[command.index("--port") + 1])


def test_follows_the_compose_specification() -> None:
    """The file is valid by the schema of the Compose specification."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """Every image names a version."""
    assert PINNED.match(SERVICES[name]["image"])


def test_base_images_are_pinned() -> None:
    """Every stage of our image starts from a pinned one."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert bases
    assert all(PINNED.match(base) for base in bases)


def test_the_api_can_be_scaled() -> None:
    """Nothing of the API's or the worker's can exist once only: no fixed name, no port of the host."""
    for name in ("api", "worker"):
        assert not {"container_name", "ports", "hostname"} & set(SERVICES[name])


@pytest.mark.parametrize("name", SERVICES)
def test_waits_for_what_it_needs(name: str) -> None:
    """A service waits until a step is done or until an engine that reports its health is healthy."""
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        if needed == "migrate":
            assert how["condition"] == "service_completed_successfully"
        else:
            assert how["condition"] == "service_healthy"
            assert SERVICES[needed]["healthcheck"].get("test"), needed


@pytest.mark.parametrize("name", SERVICES)
def test_stays_up_within_limits(name: str) -> None:
    """Every service restarts, has a limit of memory, and tells its health; the migration runs once."""
    service = SERVICES[name]

    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert bool(service["healthcheck"].get("disable")) == (name == "migrate")


def test_ports_agree() -> None:
    """The balancer publishes the port it listens on and asks the API where it listens; checks ask the same ports."""
    assert SERVICES["balancer"]["ports"][0].endswith(":" + re.findall(r"listen (\d+);", NGINX)[0])
    assert f"server api:{_port('api')} " in NGINX
    assert f"EXPOSE {_port('api')}\n" in DOCKERFILE
    assert f"READINGROOM_PORT={_port('api')} " in DOCKERFILE
    for name in ("api", "embedder"):
        assert f"http://127.0.0.1:{_port(name)}/" in SERVICES[name]["healthcheck"]["test"][-1]
    url = OURS["api"]["environment"]["READINGROOM_EMBEDDING_URL"]
    assert url.startswith(f"http://embedder:{_port('embedder')}/")


def test_the_balancer_takes_what_the_api_takes() -> None:
    """An upload of the greatest size passes, with the form around it; live connections and streams do too."""
    limit = int(re.findall(r"client_max_body_size (\d+)m;", NGINX)[0]) * 1024 * 1024

    assert 0 < limit - int(OURS["api"]["environment"]["READINGROOM_MAX_UPLOAD_BYTES"]) <= 2 * 1024 * 1024
    for line in (
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $connection_upgrade;",
        "proxy_buffering off;",
        "server api:8000 resolve",
    ):
        assert line in NGINX


@pytest.mark.parametrize("name", SERVICES)
def test_mounts_exist(name: str) -> None:
    """What is mounted is a file of the repository or a volume that is declared."""
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":", 1)[0]
        if source.startswith("."):
            assert (ROOT / source).is_file(), source
        else:
            assert source in COMPOSE["volumes"]
    for network in SERVICES[name]["networks"]:
        assert network in COMPOSE["networks"]


def test_files_are_shared_where_the_program_writes_them() -> None:
    """API and worker keep files in the one volume, in a folder that the image's own user may write."""
    folder = OURS["api"]["environment"]["READINGROOM_BLOB_URL"].removeprefix("file://")

    for name in ("api", "worker"):
        assert OURS[name]["volumes"] == [f"files:{folder}"]
    assert re.search(rf"install --directory --owner readingroom .*{folder}", DOCKERFILE)
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)


def test_the_image_gets_what_it_copies() -> None:
    """Each path that the build copies exists and is let through by .dockerignore."""
    let_through = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

    copied = {path for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]}

    assert copied == let_through
    assert all((ROOT / path).exists() for path in copied)


def test_secrets_are_made_and_agree(tmp_path: Path) -> None:
    """One script makes every secret that is mounted; what names a password names the one its engine was given."""
    script = shutil.copy(ROOT / "deploy" / "make_secrets.py", tmp_path)
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    made = {path.name: path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    again = {path.name: path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}

    used = {
        secret if isinstance(secret, str) else secret["source"]
        for service in SERVICES.values()
        for secret in service.get("secrets", [])
    }
    assert made == again
    assert set(made) == set(COMPOSE["secrets"]) == used
    assert all(entry["file"] == f"./deploy/secrets/{name}" for name, entry in COMPOSE["secrets"].items())
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert f":{made['postgres_password']}@postgres:5432/" in made["readingroom_database_url"]
    assert f":{made['valkey_password']}@valkey:6379/" in made["readingroom_redis_url"]
    assert f" >{made['valkey_password']} " in made["valkey_acl"]
    assert yaml.safe_load(made["qdrant_config"])["service"]["api_key"] == made["readingroom_qdrant_api_key"]


def test_no_secret_stands_in_a_variable() -> None:
    """Passwords, keys and the addresses that hold them come as files, so that `inspect` does not show them."""
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("_FILE") or not re.search(r"PASSWORD|SECRET|KEY|DATABASE_URL|REDIS_URL", name), name
            assert "@" not in value
