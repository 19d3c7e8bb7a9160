"""Evicted pods and their replacements are timed as they are seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from fleet.core.objects.node import NodeRef
from fleet.core.objects.pod import Owner, Pod
from fleet.core.planning.pod_timings import PATIENCE, Stopwatch
from fleet.core.rollout.action import Evict, Outcome, Result
from fleet.core.rollout.event import Deleted, Upserted
from fleet.lab.simulation.builders import START

OLD = Pod("web", "shop-1", "uid-1", node="n-1", owner=Owner("ReplicaSet", "shop", "rs-1"))
NEW = Pod("web", "shop-2", "uid-2", phase="Pending", ready=False, owner=Owner("ReplicaSet", "shop", "rs-1"))
EVICT = Evict(id="r-1/1", rollout="r-1", node=NodeRef("east", "n-1"), uid="n", pod=OLD.ref, pod_uid=OLD.uid)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def taken(watch: Stopwatch, seconds: float) -> list[tuple[str, dict[str, Any]]]:
    return [
        (str(timed.node), {"stop": timed.stop, "start": timed.start}) for timed in watch.take(at(seconds))
    ]


def test_pod_is_timed_until_it_is_gone_and_its_replacement_until_it_is_ready() -> None:
    watch = Stopwatch()
    watch.sent(EVICT, OLD, at(0))
    watch.observe(Outcome(EVICT, Result.DONE), at(0.1))
    watch.observe(Upserted("east", NEW), at(0.2))
    bound = replace(NEW, node="n-2")
    watch.observe(Upserted("east", bound), at(1))
    watch.observe(Deleted("east", OLD), at(2.5))
    assert taken(watch, 3) == [], "its replacement is not Ready yet"
    watch.observe(Upserted("east", bound), at(3))
    watch.observe(Upserted("east", replace(bound, ready=True)), at(9))
    assert taken(watch, 9) == [("east/n-1", {"stop": [2500], "start": {"web/shop": [8000]}})]
    assert taken(watch, 10) == [], "told once"


def test_refused_eviction_is_timed_from_the_granted_attempt() -> None:
    watch = Stopwatch()
    watch.sent(EVICT, OLD, at(0))
    watch.observe(Outcome(EVICT, Result.REFUSED), at(0.1))
    assert taken(watch, 1) == []
    watch.sent(EVICT, OLD, at(20))
    watch.observe(Deleted("east", OLD), at(21))
    watch.observe(Upserted("east", replace(NEW, node="n-2")), at(21))
    watch.observe(Upserted("east", replace(NEW, node="n-2", ready=True)), at(25))
    assert taken(watch, 25) == [("east/n-1", {"stop": [1000], "start": {"web/shop": [4000]}})]


def test_other_pods_are_not_timed_and_no_wait_is_endless() -> None:
    watch = Stopwatch()
    stranger = replace(NEW, node="n-3", owner=Owner("ReplicaSet", "other", "rs-2"))
    watch.observe(Upserted("east", stranger), at(0))
    watch.sent(EVICT, OLD, at(0))
    watch.observe(Upserted("east", replace(stranger, ready=True)), at(1))
    watch.observe(Deleted("east", OLD), at(2))
    assert taken(watch, 60) == []
    late = PATIENCE.total_seconds() + 1
    assert taken(watch, late) == [("east/n-1", {"stop": [2000], "start": {}})]
