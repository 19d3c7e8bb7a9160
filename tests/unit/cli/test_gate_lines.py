"""The gates of a rollout, as `fleet rollout status` shows them."""

from __future__ import annotations

from msgspec.structs import replace

from fleet.cli.views.rollout_page.gates import gate_lines
from fleet.core.policy.gate import AnyGate, GateVerdict, HttpGate, OperatorGate, SoakGate
from fleet.lab.simulation.builders import a_node, a_policy, a_pool, a_snapshot
from tests.golden import GoldenFiles
from tests.simulated_rollout import SimulatedRollout

GATES: tuple[AnyGate, ...] = (
    SoakGate(name="night", for_seconds=28800),
    OperatorGate(name="go"),
    HttpGate(name="shop", url="http://shop/", for_seconds=600),
)


def a_rollout_at_its_gates() -> SimulatedRollout:
    policy = a_policy(replace(a_pool(), gates=GATES))
    story = SimulatedRollout([a_snapshot([a_node("n-0"), a_node("n-1")])], policy)
    story.gates["shop"] = (GateVerdict.GOOD, "status 200")
    story.start(canaries=["n-0"])
    story.run(until=lambda: bool(story.asked) and any(gate.verdict for gate in story.rollout.gates.values()))
    return story


def test_each_open_gate_has_a_line_and_that_of_an_operator_its_remedy(golden: GoldenFiles) -> None:
    golden.check("\n".join(map(str, gate_lines(a_rollout_at_its_gates().rollout))))


def test_a_rollout_that_is_paused_waits_for_no_gate() -> None:
    story = a_rollout_at_its_gates()
    story.send("pause")
    assert list(gate_lines(story.rollout)) == []
