"""The manifest beside results: what made them, and whether more may be added to them."""

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spex._version import __version__
from spex.errors import ArgumentError, FileFormatError
from spex.evaluate.gradients import OfModel
from spex.evaluate.method import Method
from spex.files import read_json, write_json
from spex.wording import shorten

_FORMAT = 1
_PACKAGES = ("numpy", "scipy", "lightgbm")


class Manifest:
    """What made a file of results.

    Args:
        path: Path of the manifest.
        results: The file of results.
        determines: What determines the numbers, as JSON values: what is measured, the data, the
            model, the score. Methods, budgets, seeds and items are in the rows instead.

    Raises:
        ArgumentError: results of something else are there.
        FileFormatError: the file cannot be read.
    """

    def __init__(self, path: Path, results: Path, determines: Mapping[str, Any]) -> None:
        self.path = path
        self._content: dict[str, Any] = {
            "format": _FORMAT,
            "experiment": dict(determines),
            "identities": {},
            "models": [],
            "runs": [],
        }
        if results.exists() and results.stat().st_size and not self.path.exists():
            raise ArgumentError(
                f"{results} has no manifest {self.path} that says what made it; give a new file"
            )
        if self.path.exists() and results.exists():
            self._join(results)

    def _join(self, results: Path) -> None:
        before = read_json(self.path)
        if not isinstance(before, dict) or before.get("format") != _FORMAT:
            raise FileFormatError(f"{self.path} is no manifest of spex evaluate; give a new file")
        old, new = before["experiment"], self._content["experiment"]
        if old.get("measure") != new.get("measure"):
            raise ArgumentError(
                f"{results} holds results of the measure {old.get('measure')}, not of "
                f"{new.get('measure')}; give a new file"
            )
        if old.get("data") != new.get("data"):
            raise ArgumentError(
                f"{results} was measured on other data, or the data has changed since; "
                "give a new file"
            )
        old, new = _flat(old), _flat(new)
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                raise ArgumentError(
                    f"{results} holds results of another {name}: {shorten(str(old.get(name)))}, "
                    f"not {shorten(str(new.get(name)))}; give a new file"
                )
        self._content = before

    def begin(self, run: Mapping[str, Any]) -> None:
        """Note a run: its command, date, methods and so on; with the machine and the versions."""
        self._content["runs"].append({**run, "machine": _machine()})
        self._write()

    def meet(self, item: str, identity: str | None, model: str | None) -> None:
        """Note the identity of an item's value function and of the model behind it.

        Raises:
            ArgumentError: earlier rows of the item came from another function.
        """
        known = self._content["identities"].get(item)
        if known is not None and identity is not None and known != identity:
            raise ArgumentError(
                f"{self.path}: {item!r} was measured with another model or input under the same "
                "name; give a new file"
            )
        is_new = identity is not None and known is None
        if is_new:
            self._content["identities"][item] = identity
        if model is not None and model not in self._content["models"]:
            self._content["models"].append(model)
            is_new = True
        if is_new:
            self._write()

    def _write(self) -> None:
        write_json(self.path, self._content)


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every value by its path, such as "model name".

    What a file of an earlier version lacks is compared as None, which stands for "not given".
    """
    flat: dict[str, Any] = {}
    for name, value in content.items():
        path = f"{prefix}{name}"
        flat |= _flat(value, f"{path} ") if isinstance(value, Mapping) else {path: value}
    return flat


def manifest_path(results: Path) -> Path:
    """Where the manifest of a file of results is: NAME.manifest.json beside it."""
    return results.with_name(f"{results.stem}.manifest.json")


def versions(methods: Iterable[Method | OfModel]) -> dict[str, str]:
    """Versions of Python, of spex and of the packages that do the work."""
    found = {"python": platform.python_version(), "spex-explain": __version__}
    for package in (*_PACKAGES, *(method.package for method in methods)):
        try:
            found.setdefault(package, version(package))
        except PackageNotFoundError:
            found.setdefault(package, "not installed")
    return found


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file: "sha256:" and 64 hexadecimal digits."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _machine() -> dict[str, Any]:
    return {"system": platform.platform(), "processor": platform.machine(), "python": sys.version}
