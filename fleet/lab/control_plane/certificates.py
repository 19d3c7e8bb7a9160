"""The lab's certificates: one authority for Kubernetes, one for etcd, one for the aggregation layer.

Every connection between the lab's programs, and from a user to them, is TLS that both sides verify.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=365)
BACKDATED = timedelta(minutes=5)
"""Certificates are valid from this long before now, in case the clock is set back between two starts."""

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
API_SERVER_ADDRESSES = ("127.0.0.1", "10.96.0.1")

_SERVER = ExtendedKeyUsageOID.SERVER_AUTH
_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


class KeyPair(msgspec.Struct, frozen=True):
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


class Kubelet(msgspec.Struct, frozen=True):
    """The certificates of a real host that is a node: one for calls to the API server, and one for calls to its
    kubelet."""

    client: KeyPair
    server: KeyPair


class Certificates(msgspec.Struct, frozen=True):
    """Every certificate of a lab. The authorities' own keys are not kept on disk."""

    authority: Path
    etcd_authority: Path
    front_proxy_authority: Path
    api_server: KeyPair
    controller_manager_server: KeyPair
    scheduler_server: KeyPair
    etcd_server: KeyPair
    etcd_peer: KeyPair
    etcd_client: KeyPair
    front_proxy: KeyPair
    admin: KeyPair
    controller_manager: KeyPair
    scheduler: KeyPair
    kwok: KeyPair
    service_accounts_key: Path
    service_accounts_public_key: Path
    kubelet_client: KeyPair
    """The certificate with which the API server calls kubelets."""
    kubelets: dict[str, Kubelet] = {}

    def moved(self, directory: Path) -> Certificates:
        """Returns the paths of the same files in another folder."""
        named = msgspec.to_builtins(self, enc_hook=str)
        return msgspec.convert(named, Certificates, dec_hook=lambda _, path: directory / Path(path).name)


class _Authority:
    """Signs certificates; its key exists only in this object."""

    def __init__(self, directory: Path, name: str, now: datetime) -> None:
        self._directory = directory
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = directory / f"{name}.crt"
        usage = _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
        built = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))

    def server(
        self, file: str, names: tuple[str, ...], addresses: tuple[str, ...], *, also_client: bool
    ) -> KeyPair:
        """Returns a server's certificate for these DNS names and addresses.

        `also_client` is for etcd, whose members and gateway use their server certificate to connect to each other.
        """
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        usages = [_SERVER, _CLIENT] if also_client else [_SERVER]
        return self._issue(file, file, "", usages, alternatives)

    def client(self, file: str, user: str, group: str = "") -> KeyPair:
        """Returns a client's certificate: Kubernetes reads the user from the common name, the group from the
        organization."""
        return self._issue(file, user, group, [_CLIENT], [])

    def _issue(
        self,
        file: str,
        name: str,
        organization: str,
        usages: list[x509.ObjectIdentifier],
        alternatives: list[x509.GeneralName],
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            self._builder(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        pair = KeyPair(self._directory / f"{file}.crt", self._directory / f"{file}.key")
        pair.certificate.write_bytes(
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        _write_key(pair.key, key)
        return pair

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - BACKDATED)
            .not_valid_after(self._now + VALID_FOR)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(authority, critical=False)
        )


def issue(
    directory: Path,
    now: datetime,
    address: str = "127.0.0.1",
    hosts: Mapping[str, str] | None = None,
    control_planes: tuple[str, ...] = (),
) -> Certificates:
    """Writes a new set of certificates, valid for a year from `now`, into `directory` (created, private).

    `address` is that of the API server; `hosts` has the address of each real host that will be a node, by its name;
    `control_planes` has the addresses of hosts that run an etcd member and an API server each.
    """
    directory.mkdir(mode=0o700, parents=True)
    cluster = _Authority(directory, "kubernetes-ca", now)
    etcd = _Authority(directory, "etcd-ca", now)
    front = _Authority(directory, "front-proxy-ca", now)
    loopback = (("localhost",), ("127.0.0.1",))
    members = (("localhost",), ("127.0.0.1", *control_planes))
    private, public = _service_account_keys(directory)
    return Certificates(
        authority=cluster.certificate,
        etcd_authority=etcd.certificate,
        front_proxy_authority=front.certificate,
        api_server=cluster.server(
            "kube-apiserver",
            API_SERVER_NAMES,
            tuple(dict.fromkeys((*API_SERVER_ADDRESSES, address, *control_planes))),
            also_client=False,
        ),
        controller_manager_server=cluster.server("kube-controller-manager", *loopback, also_client=False),
        scheduler_server=cluster.server("kube-scheduler", *loopback, also_client=False),
        etcd_server=etcd.server("etcd-server", *members, also_client=True),
        etcd_peer=etcd.server("etcd-peer", *members, also_client=True),
        etcd_client=etcd.client("etcd-client", "kube-apiserver-etcd-client"),
        front_proxy=front.client("front-proxy-client", "front-proxy-client"),
        admin=cluster.client("admin", "lab-admin", "system:masters"),
        controller_manager=cluster.client("controller-manager-client", "system:kube-controller-manager"),
        scheduler=cluster.client("scheduler-client", "system:kube-scheduler"),
        kwok=cluster.client("kwok-client", "system:kwok", "system:masters"),
        service_accounts_key=private,
        service_accounts_public_key=public,
        kubelet_client=cluster.client("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        kubelets={
            name: _kubelet(cluster, name, host_address) for name, host_address in (hosts or {}).items()
        },
    )


def issue_etcd(directory: Path, now: datetime, addresses: tuple[str, ...]) -> tuple[Path, KeyPair, KeyPair]:
    """Writes and returns the certificates of a standalone etcd: its authority, one pair for all its members, and one
    for a client."""
    directory.mkdir(mode=0o700, parents=True)
    authority = _Authority(directory, "etcd-ca", now)
    members = authority.server("member", ("localhost",), addresses, also_client=True)
    return authority.certificate, members, authority.client("client", "fleet")


def _kubelet(cluster: _Authority, name: str, address: str) -> Kubelet:
    return Kubelet(
        client=cluster.client(f"node-{name}", f"system:node:{name}", "system:nodes"),
        server=cluster.server(f"kubelet-{name}", (name,), (address,), also_client=False),
    )


def _service_account_keys(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = directory / "service-accounts.key", directory / "service-accounts.pub"
    _write_key(private, key)
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _key_usage(
    *, digital_signature: bool, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
