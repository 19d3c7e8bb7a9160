"""Any user may annotate a workload: whatever the annotation is, the result is a quorum group or a reason why not."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.config import declared_by
from fleet.core.objects.selector import Selector
from fleet.core.objects.workload import Workload

KEYS = st.sampled_from(
    ["kind", "name", "voters", "margin", "probe", "http", "port", "path", "exec", "leader", "lag", "soak", "stale"]
)  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["zookeeper", "kafka", "pods", "etcd", "allow", "1m", "role=leader", "/x"]),
)  # fmt: skip
SHAPES = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)


def check(text: str) -> None:
    workload = Workload("StatefulSet", "data", "zk", "u", quorum=text, selector=Selector({"app": "zk"}))
    found = declared_by(workload, "east")
    assert found.name.startswith("east/data/") and found.cluster == "east"
    assert found.members is not None and found.members.namespace == "data"
    assert found.members.selector == Selector({"app": "zk"})
    assert not found.rule.snapshot and not found.access.cert
    if found.wrong:
        assert found.wrong.startswith("StatefulSet data/zk, annotation fleet.internal/quorum: ")
        assert found.wrong.isprintable() and len(found.wrong) < 3000


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_any_text_is_handled(text: str) -> None:
    check(text)


@settings(max_examples=400)
@given(SHAPES)
def test_any_value_is_handled(shape: object) -> None:
    check(json.dumps(shape))
