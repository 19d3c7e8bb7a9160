"""Members that refuse, that leave a call unanswered, and learners: who counts as there, and what is not asked."""

from __future__ import annotations

import time

import pytest

from fleet.core.quorum.quorum import QuorumRule, healthy, unhealthy_members
from fleet.etcd.errors import EtcdError
from fleet.lab.simulation.builders import START
from tests.unit.etcd.members import members


def test_started_learner_is_healthy_and_is_asked_for_no_list() -> None:
    with members(4) as (cluster, etcd):
        cluster.learners = {4}
        group = etcd.read(START)
        learner = next(each for each in group.members if each.name == "m4")
        assert not learner.voter and learner.started and learner.reachable and learner.index == 40
        assert unhealthy_members(group, QuorumRule()) == () and len(healthy(group, QuorumRule())) == 3
        assert (4, "list") not in cluster.asked
        assert all(what != "alarm" for _, what in cluster.asked), "alarms stand in each status"


def test_voter_that_refuses_the_list_has_answered() -> None:
    with members(3) as (cluster, etcd):
        cluster.refuses[2, "list"] = (503, "etcdserver: too many requests")
        group = etcd.read(START)
        assert [each.reachable for each in group.members] == [True, True, True]


def test_if_the_only_endpoint_is_a_learner_the_others_are_found_at_their_last_addresses() -> None:
    """An endpoint may be a balancer: which member answers there changes."""
    with members(3, 1) as (cluster, etcd):
        assert len(healthy(etcd.read(START), QuorumRule())) == 3
        cluster.learners = {1}
        group = etcd.read(START)
        assert [each.voter for each in group.members] == [False, True, True]
        assert len(healthy(group, QuorumRule())) == 2 and not group.unread


def test_learners_alone_form_no_group() -> None:
    with members(2) as (cluster, etcd):
        cluster.learners = {1, 2}
        assert "lists the members" in etcd.read(START).unread


def test_unanswered_leader_move_is_checked_and_not_waited_for() -> None:
    with members(3, seconds=0.5) as (cluster, etcd):
        cluster.leaves_unanswered = True
        begun = time.monotonic()
        assert etcd.move_leader("m2") == "m2 leads etcd"
        assert time.monotonic() - begun < 5


def test_leader_move_that_ends_in_an_error_may_have_happened() -> None:
    with members(3, seconds=0.5) as (cluster, etcd):
        cluster.refuses[1, "transfer-leadership"] = (503, "etcdserver: leader changed")
        with pytest.raises(EtcdError, match=r"m2 does not lead etcd.*leader changed"):
            etcd.move_leader("m2")
        del cluster.refuses[1, "transfer-leadership"]
        cluster.hands_over = False
        with pytest.raises(EtcdError, match="m2 does not lead etcd"):
            etcd.move_leader("m2")
