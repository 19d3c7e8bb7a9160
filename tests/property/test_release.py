"""Whether two releases are one, for any of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.core.releases.release import Release, built_for, distinct_name, is_release
from tests.releases import sha

ARCHITECTURES = ("amd64", "arm64", "s390x")
DIGESTS = st.sampled_from(["", *(sha(letter) for letter in "abcdef")])
VERSIONS = st.sampled_from(["", "44.2", "44.20", "44.2.1", "4", "sha256", sha("a")])
TOLD = st.builds(Release, VERSIONS, DIGESTS, reference_digest=DIGESTS)
SAID = st.builds(
    Release,
    VERSIONS,
    DIGESTS,
    digests=st.dictionaries(st.sampled_from(ARCHITECTURES), DIGESTS.filter(bool)).map(
        lambda found: tuple(sorted(found.items()))
    ),
)
ANY = st.one_of(TOLD, SAID)


@given(ANY, ANY)
def test_comparison_is_symmetric(one: Release, other: Release) -> None:
    assert is_release(one, other) is is_release(other, one)


@given(ANY)
def test_release_with_a_version_or_digest_equals_itself(one: Release) -> None:
    assert is_release(one, one) is bool(one.version or one.known_by)


@given(ANY, ANY, VERSIONS, VERSIONS)
def test_digests_decide_where_both_have_one(one: Release, other: Release, mine: str, its: str) -> None:
    if one.known_by and other.known_by:
        same = is_release(replace(one, version=mine), replace(other, version=its))
        assert same is bool(one.known_by & other.known_by)


@given(ANY, ANY)
def test_equal_versions_decide_where_one_has_no_digest(one: Release, other: Release) -> None:
    if not (one.known_by and other.known_by):
        assert is_release(one, other) is (one.version == other.version and one.version != "")


@given(ANY, ANY, st.text(max_size=9), st.text(max_size=9))
def test_kernel_and_kubelet_do_not_count(one: Release, other: Release, kernel: str, kubelet: str) -> None:
    changed = replace(one, kernel=kernel, kubelet=kubelet)
    assert is_release(changed, other) is is_release(one, other)


@given(ANY, ANY)
def test_message_about_two_releases_names_both(one: Release, other: Release) -> None:
    known = all(each.version or each.pin for each in (one, other))
    # A version that is the other one's digest, and has none beside it, is no version that anybody writes.
    absurd = {one.version, other.version} & (one.known_by | other.known_by)
    if known and not absurd and not is_release(one, other):
        assert distinct_name(one, other) != distinct_name(other, one)


@given(SAID, st.sampled_from([*ARCHITECTURES, "riscv64", ""]))
def test_requested_release_is_built_for_the_hosts_architecture(stated: Release, architecture: str) -> None:
    asked = built_for(stated, architecture)
    own = dict(stated.digests).get(architecture, "")
    if asked is None:
        assert stated.digests and not stated.digest and not own
        return
    assert asked.known_by == frozenset({stated.digest, own} - {""})
    assert asked.pin == (stated.digest or own) and asked.digest == (own or stated.digest)
    assert not asked.digests
    assert is_release(asked, stated) is is_release(stated, stated)
