"""The environment's proxies, as Go's programs take them."""

from __future__ import annotations

import pytest

from fleet.core.records.errors import UsageError
from fleet.kube.kubeconfig import proxies

PROXY = "http://proxy.example:3128"
SERVER = "https://api.east.example:6443"


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        (SERVER, {}, ""),
        (SERVER, {"HTTPS_PROXY": PROXY}, PROXY),
        (SERVER, {"https_proxy": PROXY, "HTTP_PROXY": "http://other"}, PROXY),
        (SERVER, {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, ""),
        ("http://api.east.example", {"HTTP_PROXY": PROXY}, PROXY),
        (SERVER, {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        (SERVER, {"HTTPS_PROXY": "socks5://proxy.example"}, "socks5://proxy.example"),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://127.9.9.9:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, ""),
    ],
)
def test_proxy_for_a_server(server: str, environ: dict[str, str], expected: str) -> None:
    assert proxies.of_environment(server, environ) == expected


@pytest.mark.parametrize(
    ("server", "exceptions", "direct"),
    [
        (SERVER, "east.example", True),
        (SERVER, "API.east.example", True),
        (SERVER, "st.example", False),
        (SERVER, ".example", True),
        (SERVER, ".api.east.example", False),
        (SERVER, "*.east.example", True),
        (SERVER, "*.api.east.example", False),
        (SERVER, "x, east.example:6443 ,y", True),
        (SERVER, "east.example:443", False),
        (SERVER, "*", True),
        (SERVER, "x,*", True),
        (SERVER, ",:,[", False),
        (SERVER, "10.0.0.0/8", False),
        ("https://10.1.2.3:6443", "10.0.0.0/8", True),
        ("https://10.1.2.3:6443", "10.1.0.0/24,10.1.2.0/29", True),
        ("https://10.1.2.3:6443", "10.2.0.0/16", False),
        ("https://10.1.2.3:6443", "10.1.2.3:443", False),
        ("https://10.1.2.3:6443", "10.1.2.3:6443", True),
        ("https://10.1.2.3", "10.1.2.3:443", True),
        ("https://10.1.2.3:6443", "2.3", False),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://[fd00::1]:6443", "fd00:0::1", True),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://10.1.2.3:6443", "nonsense/8", False),
    ],
)
def test_exceptions(server: str, exceptions: str, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        found = proxies.of_environment(server, {"HTTPS_PROXY": PROXY, name: exceptions})
        assert found == ("" if direct else PROXY)


@pytest.mark.parametrize(
    "proxy", ["ftp://s3cret@x", "http://", "http://s3cret:x@[", "http://s3cret@x:0", "http://s3cret@x y:1"]
)
def test_unusable_proxy_is_named_and_not_quoted(proxy: str) -> None:
    with pytest.raises(UsageError) as caught:
        proxies.of_environment(SERVER, {"https_proxy": proxy})
    assert "HTTPS_PROXY" in caught.value.message
    assert "s3cret" not in caught.value.message + caught.value.hint
