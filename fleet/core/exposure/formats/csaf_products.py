"""The product tree of a CSAF document: which packages on which platforms it is about.

Sources: Common Security Advisory Framework 2.0, 3.2.2, and 2.1, which has paths in place of relationships and several
package URLs of a product.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

from fleet.core.exposure.package_url import package_url

Text = Annotated[str, Meta(max_length=2048)]
DEEPEST = 32
"""The most levels of branches that are followed."""


class IdentificationHelper(Struct, frozen=True, gc=False):
    """Names of a product in other systems."""

    cpe: Text = ""
    purl: Text = ""
    """In 2.0."""
    purls: tuple[Text, ...] = ()
    """In 2.1."""


class CsafProduct(Struct, frozen=True, gc=False):
    """A product of the product tree."""

    name: Text
    product_id: Text
    product_identification_helper: IdentificationHelper = IdentificationHelper()


class ProductBranch(Struct, frozen=True, gc=False):
    """A level of the product tree: a vendor, a family, a version, an architecture."""

    category: Text = ""
    name: Text = ""
    branches: tuple[ProductBranch, ...] = ()
    product: CsafProduct | None = None


class ProductLink(Struct, frozen=True, gc=False):
    """A component as part of a platform."""

    full_product_name: CsafProduct
    product_reference: Text
    relates_to_product_reference: Text


class ProductSubpath(Struct, frozen=True, gc=False):
    """A step of a path."""

    next_product_reference: Text


class ProductPath(Struct, frozen=True, gc=False):
    """A component within others, the last of which is the platform: what a `ProductLink` is in 2.1."""

    full_product_name: CsafProduct
    beginning_product_reference: Text
    subpaths: Annotated[tuple[ProductSubpath, ...], Meta(min_length=1)]


class ProductTree(Struct, frozen=True):
    """All products that a document is about."""

    branches: tuple[ProductBranch, ...] = ()
    relationships: tuple[ProductLink, ...] = ()
    product_paths: tuple[ProductPath, ...] = ()
    full_product_names: tuple[CsafProduct, ...] = ()


class PlatformPackage(Struct, frozen=True, gc=False):
    """A product of the kind that a node can have: a package on a platform."""

    platform: str
    """Name and CPE of the platform."""
    package: str
    version: str
    """EPOCH:VERSION-RELEASE; empty: all versions."""
    architecture: str
    """Empty: all architectures."""


def packages_of(tree: ProductTree) -> Iterator[tuple[str, PlatformPackage]]:
    """Yields the packages on platforms, by product id."""
    products = {product.product_id: product for product in _products(tree.branches, 0)}
    products.update((product.product_id, product) for product in tree.full_product_names)
    for whole, component_id, platform_id in _on_platforms(tree):
        component, platform = products.get(component_id), products.get(platform_id)
        if component is not None and platform is not None:
            where = f"{platform.name} {platform.product_identification_helper.cpe}"
            yield whole, _package(component, where)


def _on_platforms(tree: ProductTree) -> Iterator[tuple[str, str, str]]:
    """Yields the ids of products that are a component on a platform, each with those of both."""
    for link in tree.relationships:
        yield link.full_product_name.product_id, link.product_reference, link.relates_to_product_reference
    for path in tree.product_paths:
        platform = path.subpaths[-1].next_product_reference
        yield path.full_product_name.product_id, path.beginning_product_reference, platform


def _products(branches: tuple[ProductBranch, ...], depth: int) -> Iterator[CsafProduct]:
    if depth > DEEPEST:
        return
    for branch in branches:
        if branch.product is not None:
            yield branch.product
        yield from _products(branch.branches, depth + 1)


def _package(component: CsafProduct, platform: str) -> PlatformPackage:
    """Returns the package that a component is, from its purl or from its NAME-EPOCH:VERSION-RELEASE.ARCHITECTURE."""
    helper = component.product_identification_helper
    package = package_url(next(iter(helper.purls), helper.purl))
    if package is not None and package.kind == "rpm" and package.version:
        epoch = package.qualifiers.get("epoch", "")
        version = f"{epoch}:{package.version}" if epoch else package.version
        return PlatformPackage(platform, package.name, version, _go_name(package.qualifiers.get("arch", "")))
    found = _NEVRA.fullmatch(component.name)
    if found is None:
        return PlatformPackage(platform, component.name, "", "")
    return PlatformPackage(platform, found["name"], found["version"], _go_name(found["architecture"]))


def _go_name(architecture: str) -> str:
    """Returns the architecture by Go's name; empty for packages that fit every architecture."""
    names: dict[str, Any] = {"x86_64": "amd64", "aarch64": "arm64", "noarch": "", "src": "source"}
    return str(names.get(architecture, architecture))


_NEVRA = re.compile(r"(?P<name>[\w.+-]+?)-(?P<version>(?:\d+:)?[\w.~^+]+-[\w.~^+]+)\.(?P<architecture>\w+)")
