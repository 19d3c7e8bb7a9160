"""Package URLs, which name packages in advisories, in bills of materials and in OpenVEX documents. Source: ECMA-427."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

from msgspec import Struct


class PackageUrl(Struct, frozen=True):
    """The parts of a package URL, decoded. Its subpath is left out."""

    kind: str
    """The type, such as `rpm` or `oci`."""
    name: str
    version: str = ""
    namespace: str = ""
    qualifiers: Mapping[str, str] = {}

    @property
    def canonical(self) -> str:
        """Returns the URL without qualifiers. Two programs may encode different letters of a URL; this form is the same
        for all that name the same package."""
        path = "/".join(quote(part, safe=":") for part in (*self.namespace.split("/"), self.name) if part)
        return f"pkg:{self.kind}/{path}" + (f"@{quote(self.version, safe=':')}" if self.version else "")


def package_url(text: str) -> PackageUrl | None:
    """Returns the parts of a package URL. None: the text is none."""
    if not text.startswith("pkg:"):
        return None
    path, _, query = text.removeprefix("pkg:").partition("#")[0].partition("?")
    before, _, version = path.rpartition("@")
    # The @ of `@scope/name` is not the one before a version.
    if not before or before.endswith("/") or "/" in version:
        before, version = path, ""
    kind, _, rest = before.strip("/").partition("/")
    namespace, _, name = rest.rpartition("/")
    # Not parse_qsl, which makes a blank of a +: in a package URL that is a letter like others.
    pairs = (part.partition("=") for part in query.split("&"))
    qualifiers = {key.lower(): unquote(value) for key, _, value in pairs if value}
    return PackageUrl(kind.lower(), unquote(name), unquote(version), unquote(namespace), qualifiers)
