"""The image of fleet, for its controller and its agents: Debian's packages, the Python packages, fleet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fleet.lab.build import ReportLine
from fleet.lab.machines.container import debian, own, packages
from fleet.lab.machines.container.files import ImageFile, packed
from fleet.lab.machines.container.oci import ContainerImage, Layer, Settings, architecture, assemble, layer
from fleet.lab.machines.images import kept

_ENVIRONMENT = {
    "PATH": f"/{packages.ROOT}/bin:/usr/bin:/usr/sbin",
    "HOME": debian.HOME,
    "FLEET_HOME": debian.STATE,
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    # Everything is compiled, and the file system of a container is to be read-only.
    "PYTHONDONTWRITEBYTECODE": "1",
}


def build(
    progress: ReportLine,
    *,
    wheel: Path | None = None,
    labels: Mapping[str, str] | None = None,
    created: str = "",
) -> ContainerImage:
    """Returns the image; a minute from nothing, a few seconds where only fleet has changed.

    `wheel`: fleet's; None: fleet as it runs here. `created`: as in RFC 3339. Raises LabError.
    """
    machine = architecture()
    base = debian.unpack(progress)
    installed = packages.install(base, progress)
    layers = (
        _kept(base, "Debian's packages", lambda: debian.files(base / "tree"), progress),
        _kept(installed, "Python packages", lambda: packages.files(installed), progress),
        layer(packed(own.files(base / "tree", wheel)), "fleet"),
    )
    settings = Settings(
        entrypoint=(own.COMMAND,),
        environment=_ENVIRONMENT,
        user=f"{debian.USER}:{debian.USER}",
        labels=labels or {},
        created=created,
    )
    return assemble(layers, settings, machine)


def _kept(
    made_from: Path, comment: str, files: Callable[[], Mapping[str, ImageFile]], progress: ReportLine
) -> Layer:
    """Returns the layer of these files, which are made from the folder `made_from` alone."""

    def make(folder: Path) -> None:
        made = layer(packed(files()), comment)
        (folder / "layer.tar.gz").write_bytes(made.compressed)
        (folder / "diff_id").write_text(made.diff_id)

    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    folder = kept.keep("image-layer", kept.key(made_from.name, *sources), make, progress)
    return Layer((folder / "layer.tar.gz").read_bytes(), (folder / "diff_id").read_text(), comment)
