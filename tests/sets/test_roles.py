"""Roles against their definitions, all calls counted."""

from itertools import combinations

import numpy as np
import pytest

import spex
from sets.games import spare, table_game


def test_roles_of_a_known_function():
    e = spex.explain(spare, 5, 32)
    roles = e.roles(spare, by=1.0)
    names = {unit.feature: unit.role for unit in roles.units}
    assert names == {0: "redundant", 1: "redundant", 2: "needed", 3: "harmful", 4: "unused"}
    assert roles.units[0].partners == (1,) and roles.units[0].pair_change == -4.0
    assert [unit.feature for unit in roles["needed"]] == [2]
    with pytest.raises(KeyError, match="harmful"):
        roles["useless"]
    frame = roles.to_frame()
    assert frame["role"].tolist() == list(names.values())
    assert frame["change"].tolist() == [0.0, 0.0, -7.0, 1.0, 0.0]
    assert "redundant    2  0, 1" in repr(roles)


@pytest.mark.parametrize("seed", range(6))
def test_roles_are_those_of_the_definition(seed):
    n = 7
    f = table_game(n, seed)
    e = spex.explain(f, n, 128)
    whole, nothing = f(np.array([[True] * n, [False] * n]))
    roles = e.roles(f)
    assert roles.is_complete and roles.n_calls <= 4 * n + 2
    threshold, side = abs(whole - nothing) / 2, np.sign(whole - nothing)
    assert roles.threshold == pytest.approx(threshold)

    def moved(*removed):
        mask = np.ones((1, n), bool)
        mask[0, list(removed)] = False
        return side * (f(mask)[0] - whole)

    needed = {i for i in range(n) if moved(i) <= -threshold}
    harmful = {i for i in range(n) if moved(i) >= threshold}
    pairs = {p for p in combinations(range(n), 2) if moved(*p) <= -threshold}
    partners = {
        i: {j for p in pairs if i in p and not needed & set(p) for j in p} - {i} for i in range(n)
    }
    for unit in roles.units:
        i = unit.feature
        wanted = "needed" if i in needed else "harmful" if i in harmful else ""
        assert unit.role == (wanted or ("redundant" if partners[i] else "unused"))
        if unit.role == "redundant":
            assert set(unit.partners) == partners[i]


def test_what_roles_measured_helps_the_search():
    e = spex.explain(spare, 5, 32)
    roles = e.roles(spare, by=1.0)
    masks, values = roles.measured()
    np.testing.assert_array_equal(values, spare(masks))
    assert len(masks) == 5 + len(roles.pairs) == roles.n_calls - 2

    def refuses(masks):
        assert set(masks.sum(axis=1)) <= {0, 5}
        return spare(masks)

    found = e.smallest_change(refuses, roles=roles)
    assert (
        found.features == (2,)
        and found.n_calls == 2
        and found.n_known == len(masks)
        and found.n_proposals == 0
    )
    with pytest.raises(spex.ArgumentError, match="roles are of 5 units"):
        spex.explain(lambda m: 1.0 * m[:, 0], 3, 8).smallest_change(spare, roles=roles)


def test_roles_of_another_function_are_refused():
    e = spex.explain(spare, 5, 32)
    roles = e.roles(spare, by=1.0)
    with pytest.raises(spex.ArgumentError, match="with everything was 3, and is 4 now"):
        e.smallest_change(lambda m: spare(m) + 1.0, by=-1.0, roles=roles)

    def else_at_nothing(masks):
        return spare(masks) - 2.0 * ~masks.any(axis=1)

    with pytest.raises(spex.ArgumentError, match="with nothing was 0, and is -2 now"):
        e.smallest_change(else_at_nothing, roles=roles)
    rounded = e.smallest_change(lambda m: spare(m).astype(np.float32) * (1 + 1e-7), roles=roles)
    assert rounded.features == (2,)
    for wrong in ("x", [], roles.units):
        with pytest.raises(spex.ArgumentError, match=r"give what e\.roles"):
            e.smallest_change(spare, roles=wrong)


def test_what_roles_measured_is_not_rounded():
    """0.3 + (0.1 - 0.3) is below 0.1: a set would seem to cross it."""

    def f(masks):
        return np.where(masks.all(axis=1), 0.3, np.where(masks.any(axis=1), 0.1, 0.0))

    e = spex.explain(f, 3, 8)
    found = e.smallest_change(f, to=0.1, roles=e.roles(f, by=0.15))
    assert found.features == (0, 1, 2) and found.value == 0.0 and found.is_verified


def test_a_threshold_is_told_as_a_distance():
    roles = spex.explain(spare, 5, 32).roles(spare)
    assert roles.threshold == 1.5
    assert roles.origin == "half of what separates everything from nothing"


def test_limits():
    e = spex.explain(spare, 5, 32)
    with pytest.raises(spex.ArgumentError, match="takes 7 calls"):
        e.roles(spare, max_calls=6)
    few = e.roles(spare, by=1.0, max_calls=7)
    assert not few.is_complete and few.pairs == () and few.n_calls == 7
    for by in (0, -1.0, float("inf"), "x"):
        with pytest.raises(spex.ArgumentError, match="by="):
            e.roles(spare, by=by)
