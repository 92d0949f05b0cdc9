"""Write the secrets that docker-compose.yml mounts into deploy/secrets. What is there stays as it is.

The folder is for its owner alone; the files in it can be read by any user, because in a container they keep the
owner and mode of the host while the processes run under other numbers.
"""

import secrets
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "secrets"


def write(name: str, content: str) -> str:
    """Write a secret unless it exists; give what it holds."""
    path = FOLDER / name
    if not path.exists():
        path.write_text(content, encoding="utf-8")
        path.chmod(0o644)
        print(f"made  {path.name}")
    return path.read_text(encoding="utf-8").strip()


def main() -> None:
    """Make every secret; those that name one another agree."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    postgres = write("postgres_password", secrets.token_urlsafe(32))
    write("readingroom_database_url", f"postgresql://readingroom:{postgres}@postgres:5432/readingroom")
    valkey = write("valkey_password", secrets.token_urlsafe(32))
    write("valkey_acl", f"user default on >{valkey} ~* &* +@all\n")
    write("readingroom_redis_url", f"redis://:{valkey}@valkey:6379/0")
    qdrant = write("readingroom_qdrant_api_key", secrets.token_urlsafe(32))
    write("qdrant_config", f"service:\n  api_key: {qdrant}\n")
    write("readingroom_embedding_api_key", secrets.token_urlsafe(32))
    write("readingroom_secret_key", secrets.token_urlsafe(48))
    write("anthropic_api_key", "")  # empty: answers are extractive until a key stands here


if __name__ == "__main__":
    main()
