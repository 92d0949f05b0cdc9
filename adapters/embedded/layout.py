"""The data directory from inside."""

from pathlib import Path

from attrs import field, frozen

from adapters.embedded.addresses import Engine
from adapters.embedded.errors import EngineFailed, hint_for


def _absolute(path: Path) -> Path:
    return path.absolute()


@frozen(kw_only=True)
class Layout:
    """Where things lie below `root`, which is made absolute."""

    root: Path = field(converter=_absolute)

    @property
    def run(self) -> Path:
        """What means something only while engines run: process ids, sockets."""
        return self.root / "run"

    @property
    def users(self) -> Path:
        """Locked by everybody who uses engines that another process runs."""
        return self.run / "users"

    @property
    def secret(self) -> Path:
        """The secret of the engines' passwords."""
        return self.root / "engines.key"

    def data(self, engine: Engine) -> Path:
        """What an engine keeps."""
        return self.root / engine

    def sockets(self, engine: Engine) -> Path:
        """Where an engine may listen; short, because socket paths are limited."""
        return self.run / engine[:2]

    def log(self, engine: Engine) -> Path:
        """What an engine prints."""
        return self.root / "logs" / f"{engine}.log"

    def prepare(self) -> None:
        """Make the directories, for the owner alone. Raises `EngineFailed`."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in (self.run, self.root / "logs"):
                path.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise EngineFailed("data directory", str(error), hint_for(error)) from error
