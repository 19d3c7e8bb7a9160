"""CSAF documents whose fixes are in several branches of a distribution, each with its own number."""

from __future__ import annotations

import json

import pytest

from fleet.core.exposure.advisory import judge
from fleet.core.exposure.formats.read import read_advisory
from fleet.core.exposure.software import NodeSoftware


def product(name: str, **helper: str) -> dict[str, object]:
    return {"name": name, "product_id": name, "product_identification_helper": helper}


def link(package: str, platform: str) -> dict[str, object]:
    return {
        "category": "default_component_of",
        "full_product_name": {"name": f"{platform}:{package}", "product_id": f"{platform}:{package}"},
        "product_reference": package,
        "relates_to_product_reference": platform,
    }


MAIN, OLDER = "kernel-core-0:5.14.0-503.15.1.el9_5.x86_64", "kernel-core-0:5.14.0-427.50.1.el9_4.x86_64"
DOCUMENT = json.dumps(
    {
        "document": {"csaf_version": "2.0", "title": "kernel", "tracking": {"id": "RHSA-2026:1"}},
        "product_tree": {
            "branches": [
                {
                    "category": "vendor",
                    "name": "Red Hat",
                    "branches": [
                        {"product": one}
                        for one in (
                            product("BaseOS-9", cpe="cpe:/o:redhat:enterprise_linux:9::baseos"),
                            product("BaseOS-9.4.EUS", cpe="cpe:/o:redhat:rhel_eus:9.4::baseos"),
                            product(MAIN),
                            product(OLDER),
                        )
                    ],
                }
            ],
            "relationships": [link(MAIN, "BaseOS-9"), link(OLDER, "BaseOS-9.4.EUS")],
        },
        "vulnerabilities": [
            {
                "cve": "CVE-2026-1",
                "product_status": {"fixed": [f"BaseOS-9:{MAIN}", f"BaseOS-9.4.EUS:{OLDER}"]},
            }
        ],
    }
).encode()


NODES = pytest.mark.parametrize(
    ("release", "kernel", "state"),
    [
        ("9.5", "5.14.0-503.15.1.el9_5.x86_64", "fixed"),
        ("9.5", "5.14.0-503.11.1.el9_5.x86_64", "affected"),
        ("9.5", "5.14.0-427.50.1.el9_4.x86_64", "affected"),
        ("9.4", "5.14.0-427.50.1.el9_4.x86_64", "fixed"),
        ("9.4", "5.14.0-427.13.1.el9_4.x86_64", "affected"),
        ("8.10", "4.18.0-553.el8_10.x86_64", "unknown"),
        ("9.5", "5.14.0-503.15.1.el9_5.aarch64", "unknown"),
    ],
)


@NODES
def test_branch_of_the_node_decides(release: str, kernel: str, state: str) -> None:
    node = NodeSoftware(f"Red Hat Enterprise Linux {release} (Plow)", "", kernel)
    assert judge(read_advisory(DOCUMENT, "rhsa.json"), node).state == state


@NODES
@pytest.mark.parametrize("named", [True, False])
def test_document_of_2_1_says_the_same(release: str, kernel: str, state: str, named: bool) -> None:
    """It is made of the other by the rules for converters of CSAF 2.1. `named`: products keep the form of name that is
    read where no package URL is given."""
    document = json.loads(DOCUMENT)
    document["document"]["csaf_version"] = "2.1"
    tree = document["product_tree"]
    tree["product_paths"] = [
        {
            "full_product_name": link["full_product_name"],
            "beginning_product_reference": link["product_reference"],
            "subpaths": [
                {"category": link["category"], "next_product_reference": link["relates_to_product_reference"]}
            ],
        }
        for link in tree.pop("relationships")
    ]
    for branch in tree["branches"][0]["branches"][2:]:
        name, version = branch["product"]["name"].removesuffix(".x86_64").split("-0:")
        url = f"pkg:rpm/redhat/{name}@{version}?arch=x86_64&epoch=0"
        if not named:
            branch["product"] |= {
                "name": name,
                "product_identification_helper": {"purls": [url, f"{url}&a=b"]},
            }
    node = NodeSoftware(f"Red Hat Enterprise Linux {release} (Plow)", "", kernel)
    assert judge(read_advisory(json.dumps(document).encode(), "rhsa.json"), node).state == state


ENCODED = "kernel-core-5.14.0-503.15.1.el9_5+1"
PURL = "pkg:rpm/redhat/kernel-core@5.14.0-503.15.1.el9_5%2B1?arch=x86_64&epoch=0"


@pytest.mark.parametrize(
    ("kernel", "state"),
    [("5.14.0-503.15.1.el9_5+1.x86_64", "fixed"), ("5.14.0-503.15.1.el9_5.x86_64", "affected")],
)
def test_package_url_is_decoded(kernel: str, state: str) -> None:
    """A + in a version is written as %2B."""
    document = json.loads(DOCUMENT)
    document["product_tree"]["branches"][0]["branches"][2] = {"product": product(ENCODED, purl=PURL)}
    document["product_tree"]["relationships"][0] = link(ENCODED, "BaseOS-9")
    document["vulnerabilities"][0]["product_status"]["fixed"][0] = f"BaseOS-9:{ENCODED}"
    node = NodeSoftware("Red Hat Enterprise Linux 9.5 (Plow)", "", kernel)
    assert judge(read_advisory(json.dumps(document).encode(), "rhsa.json"), node).state == state
