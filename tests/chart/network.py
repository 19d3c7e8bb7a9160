"""Who may open a connection to whom, by network policies: as Kubernetes defines it, apart from what renders them.

A pod that no policy selects for a direction may do all of it. Policies add up: a connection is allowed where one rule of one
of them allows it, on both of its ends. A rule without peers is for every peer, one without ports for every port. The
selectors of a peer are of pods with addresses of their own: what is outside of the cluster, and what has the network of its
host, is reached by ipBlock alone. Source: the API reference of NetworkPolicy, networking.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from tests.chart.render import Json

NAME_LABEL = "kubernetes.io/metadata.name"


class PodEnd(NamedTuple):
    """A pod at one end of a connection."""

    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int] = {}
    """The numbers of its named ports."""


class Outside(NamedTuple):
    """An address that is no pod's: outside of the cluster, or of a host."""

    address: str


End = PodEnd | Outside


def allowed(policies: Sequence[Json], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Returns whether both ends allow the connection to this port of the target."""
    return _end_allows(policies, "Egress", source, target, target, port, protocol) and _end_allows(
        policies, "Ingress", target, source, target, port, protocol
    )


def _end_allows(
    policies: Iterable[Json], direction: str, own: End, peer: End, target: End, port: int, protocol: str
) -> bool:
    if isinstance(own, Outside):
        return True
    selecting = [each for each in policies if _selects(each, direction, own)]
    rules = (rule for each in selecting for rule in each["spec"].get(direction.lower()) or ())
    peers = "to" if direction == "Egress" else "from"
    return not selecting or any(
        _matches_peer(rule.get(peers), own, peer) and _matches_port(rule.get("ports"), target, port, protocol)
        for rule in rules
    )


def _selects(policy: Json, direction: str, pod: PodEnd) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return (
        direction in types
        and policy["metadata"]["namespace"] == pod.namespace
        and _matches(spec["podSelector"], pod.labels)
    )


def _matches_peer(peers: Sequence[Json] | None, own: PodEnd, peer: End) -> bool:
    return not peers or any(_is_peer(each, own, peer) for each in peers)


def _is_peer(form: Json, own: PodEnd, peer: End) -> bool:
    if isinstance(peer, Outside):
        block, address = form.get("ipBlock"), ip_address(peer.address)
        return (
            block is not None
            and address in ip_network(block["cidr"])
            and not any(address in ip_network(each) for each in block.get("except") or ())
        )
    if "ipBlock" in form:
        return False
    if "namespaceSelector" in form:
        in_namespace = _matches(form["namespaceSelector"], {NAME_LABEL: peer.namespace})
    else:
        in_namespace = peer.namespace == own.namespace
    return in_namespace and _matches(form.get("podSelector") or {}, peer.labels)


def _matches_port(ports: Sequence[Json] | None, target: End, port: int, protocol: str) -> bool:
    return not ports or any(_is_port(each, target, port, protocol) for each in ports)


def _is_port(form: Json, target: End, port: int, protocol: str) -> bool:
    if form.get("protocol", "TCP") != protocol:
        return False
    wanted = form.get("port")
    if isinstance(wanted, str):
        return isinstance(target, PodEnd) and target.ports.get(wanted) == port
    if wanted is None:
        return True
    first = int(wanted)
    return first <= port <= int(form.get("endPort", first))


def _matches(selector: Json, labels: Mapping[str, str]) -> bool:
    expressions = selector.get("matchExpressions") or ()
    return all(
        labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()
    ) and all(
        _holds(each["operator"], labels.get(each["key"]), each.get("values") or ()) for each in expressions
    )


def _holds(operator: str, value: str | None, values: Sequence[str]) -> bool:
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"operator {operator}: expected In, NotIn, Exists or DoesNotExist")
