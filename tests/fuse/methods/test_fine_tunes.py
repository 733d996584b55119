"""Fusions for fine-tunes of one base, against closed forms that decompose nothing as they do."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.linalg import polar, sqrtm
from torch.testing import assert_close

from hubmerge.errors import RecipeError
from hubmerge.fuse import Given, find_fusion
from hubmerge.fuse.methods.esm import GAIN, SPREAD
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.models.method_context import MethodContext, TaskRows
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import ProbeBatch

NAME = "layers.0.weight"


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def merged(method, deltas, weights=None, base=None, name=NAME, **options):
    """What a fusion adds to a base of one matrix, the parents having added `deltas`."""
    start = torch.from_numpy(draw(*deltas[0].shape, seed=9)) if base is None else base
    states = [{name: start + torch.from_numpy(np.asarray(delta))} for delta in deltas]
    weights = weights or [1 / len(states)] * len(states)
    given = Given(base={name: start}, options=options)
    made = find_fusion(method).of_one_tensor(states, weights, given).state[name]
    return (made - start).numpy()


def top(matrix, count):
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return left[:, :count], values[:count], right[:count]


def whitened(columns):
    """Nearest orthonormal columns, without a decomposition into singular values."""
    return columns @ np.linalg.inv(sqrtm(columns.T @ columns)).real


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9)


def test_tsv_m_sums_the_leading_directions_after_whitening_them():
    deltas = [draw(8, 6, seed=n) for n in range(3)]
    parts = [top(delta, 2) for delta in deltas]
    left = whitened(np.concatenate([u for u, _, _ in parts], 1))
    right = whitened(np.concatenate([v for _, _, v in parts]).T).T
    wanted = left @ np.diag(np.concatenate([s for _, s, _ in parts])) @ right
    close(merged("tsv-m", deltas), wanted)
    close(merged("tsv-m", deltas, scale=0.5), 0.5 * wanted)


def test_tsv_m_of_one_model_is_that_model_and_of_equal_ones_their_leading_part():
    delta, other = draw(5, 4, seed=1), draw(5, 4, seed=2)
    close(merged("tsv-m", [delta, other], [1.0, 0.0]), delta)
    left, values, right = top(delta, 2)
    close(merged("tsv-m", [delta, delta]), left @ np.diag(values) @ right)


def test_what_is_no_matrix_is_averaged():
    for method in ("tsv-m", "iso-c", "iso-cts", "wudi", "knots", "core-space"):
        close(
            merged(method, [draw(7, seed=1), draw(7, seed=2)], [0.25, 0.75]),
            (0.25 * draw(7, seed=1) + 0.75 * draw(7, seed=2)),
        )


def test_iso_c_is_the_orthogonal_factor_of_the_sum_as_strong_as_its_mean_singular_value():
    deltas = [draw(6, 6, seed=n) for n in range(3)]
    rotation, stretch = polar(sum(deltas))
    close(merged("iso-c", deltas), np.trace(stretch) / 6 * rotation)


def test_iso_c_leaves_directions_alone_that_no_model_has_changed():
    column = draw(5, 1, seed=1)
    found = merged("iso-c", [column @ draw(1, 4, seed=2), column @ draw(1, 4, seed=3)])
    assert np.linalg.matrix_rank(found, tol=1e-9) == 1


def test_iso_cts_without_own_directions_is_iso_c_and_without_common_ones_all_of_them():
    deltas = [draw(6, 6, seed=n) for n in range(2)]
    close(merged("iso-cts", deltas, common=1.0), merged("iso-c", deltas))
    parts = [top(delta, 3) for delta in deltas]
    left = whitened(np.concatenate([u for u, _, _ in parts], 1))
    right = whitened(np.concatenate([v for _, _, v in parts]).T).T
    strength = np.concatenate([s for _, s, _ in parts]).mean()
    close(merged("iso-cts", deltas, common=0.0), strength * left @ right)


def test_iso_cts_takes_own_directions_outside_the_common_ones():
    deltas = [draw(10, 10, seed=n) for n in range(2)]
    shared, values, theirs = top(sum(deltas), 6)
    parts = [top(delta - shared @ shared.T @ delta, 2) for delta in deltas]
    left = whitened(np.concatenate([shared, *(u for u, _, _ in parts)], 1))
    right = whitened(np.concatenate([theirs, *(v for _, _, v in parts)]).T).T
    strength = np.concatenate([values, *(s for _, s, _ in parts)]).mean()
    close(merged("iso-cts", deltas, common=0.6), strength * left @ right)


def test_wudi_is_the_least_squares_solution_with_a_pull_towards_the_sum():
    deltas, ridge = [draw(4, 6, seed=n) for n in range(3)], 0.1
    total = sum(deltas)
    pull = np.sqrt(ridge * sum((d**2).sum() / (d**2).sum() for d in deltas) / 6)
    left = [delta / np.linalg.norm(delta) for delta in deltas]
    right = [own @ delta.T for own, delta in zip(left, deltas, strict=True)]
    left, right = [*left, pull * np.eye(6)], [*right, pull * total.T]
    wanted = np.linalg.lstsq(np.concatenate(left), np.concatenate(right), rcond=None)[0].T
    close(merged("wudi", deltas, ridge=ridge), wanted)


def test_a_step_of_wudi_by_adam_goes_down_the_interference_by_the_rate():
    deltas = [torch.from_numpy(draw(3, 4, seed=n)) for n in range(2)]
    total = (deltas[0] + deltas[1]).requires_grad_()
    loss = sum((((total - d) @ d.T) ** 2).sum() / d.square().sum() for d in deltas)
    loss.backward()
    found = merged("wudi", deltas, steps=1, rate=1e-3)
    close(found, (total.detach() - 1e-3 * total.grad.sign()).numpy())


def test_consensus_keeps_what_two_tasks_have_a_use_for():
    rows = [[1.0, 1.0, 5.0, 0.1], [1.0, -0.5, 0.1, 0.1], [1.0, 1.0, 0.1, -4.0]]
    deltas = [np.array(row) for row in rows]
    found = merged("consensus", deltas, scale=3.0, threshold=0.6)
    # 2 against .6: none; 1 against .6 * .5 twice: yes; 5 against .1: one; none but -4.
    close(found, [0.0, 1.5, 0.0, 0.0])
    close(
        merged("consensus", [np.array(d) for d in deltas], scale=3.0, threshold=0.4), [3, 1.5, 0, 0]
    )
    whole = merged("consensus", [np.array(d) for d in deltas], scale=3.0, agree=0)
    close(whole, np.sum(deltas, 0))


def test_stitching_averages_where_the_largest_changes_of_several_overlap():
    deltas = [np.array([9.0, 0.1, 3.0, 0.2]), np.array([1.0, 0.1, 5.0, 7.0])]
    close(merged("localize-and-stitch", deltas, density=0.5), [9, 0, 4, 7])
    close(merged("localize-and-stitch", deltas, density=0.0), [0, 0, 0, 0])


def test_localizing_looks_at_the_whole_model():
    base = {"a": torch.zeros(2), "b": torch.zeros(2)}
    states = [{"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0, 4.0])}]
    given = Given(base=base, options={"density": 0.5})
    found = find_fusion("localize-and-stitch").of_one_tensor(states, [1.0], given).state
    assert (found["a"].tolist(), found["b"].tolist()) == ([0, 0], [3, 4])


def test_knots_is_ties_in_the_basis_of_the_common_left_vectors():
    """Of rows that are orthogonal over all models that basis is the rows; turned, it turns too."""
    rows = np.diag([4.0, 3.0, 2.0])
    deltas = [
        rows @ np.linalg.qr(draw(6, 6, seed=1))[0][:3, part] for part in np.split(np.r_[:6], 2)
    ]
    plain = merged("ties", deltas, density=0.5)
    turn = np.linalg.qr(draw(3, 3, seed=2))[0]
    close(merged("knots", deltas, density=0.5), plain)
    close(merged("knots", [turn @ delta for delta in deltas], density=0.5), turn @ plain)


def test_core_space_loses_nothing_of_what_low_ranks_hold():
    u, v = draw(7, 2, seed=1), draw(2, 9, seed=2)
    u, v = u / np.linalg.norm(u, axis=0), v / np.linalg.norm(v, axis=1, keepdims=True)
    deltas = [3 * np.outer(u[:, 0], v[0]), 2 * np.outer(u[:, 1], v[1])]
    wanted = whitened(u) @ np.diag([3, 2]) @ whitened(v.T).T
    close(merged("core-space", deltas, isotropic=False), wanted)
    close(merged("core-space", deltas), 2.5 * whitened(u) @ whitened(v.T).T)
    close(merged("core-space", [0 * deltas[0]] * 2), 0 * deltas[0])


def test_svc_undoes_what_was_counted_twice():
    delta = draw(5, 4, seed=1)
    close(merged("task-arithmetic", [delta] * 3, scale=3.0, svc=0.1), delta)
    apart = [np.diag([1.0, 0, 0, 0]), np.diag([0, 3.0, 0, 0])]
    found = merged("task-arithmetic", apart, scale=2.0, svc=0.2)
    close(found, sum(apart) / ((1 + 0.2) / 2))
    vectors = [draw(4, seed=1), draw(4, seed=2)]
    close(merged("task-arithmetic", vectors, svc=0.1), sum(vectors) / 2)


@pytest.mark.parametrize("method", ["task-arithmetic", "ties", "tsv-m", "localize-and-stitch"])
def test_lines_scales_with_depth_from_what_the_fusion_makes(method):
    names = ["embed.weight", *(f"layers.{n}.weight" for n in range(3)), "head.weight"]
    base = {name: torch.from_numpy(draw(4, 4, seed=8)) for name in names}
    states = [
        {
            name: base[name] + torch.from_numpy(draw(4, 4, seed=k + 10 * n))
            for k, name in enumerate(names)
        }
        for n in range(2)
    ]
    plain, scaled = (
        find_fusion(method)
        .of_one_tensor(states, [0.5, 0.5], Given(base=base, options=options))
        .state
        for options in ({}, {"lines": 0.5})
    )
    for name, factor in zip(names, [1, 1, 1.5, 2, 1], strict=True):
        assert_close(scaled[name] - base[name], factor * (plain[name] - base[name]))


def test_lines_after_task_arithmetic_is_a_scale_that_grows():
    base = {f"h.{n}.w": torch.zeros(3).double() for n in range(4)}
    states = [{name: torch.from_numpy(draw(3, seed=n)) for name in base} for n in range(4)]

    def made(**options):
        given = Given(base=base, options=options)
        return find_fusion("task-arithmetic").of_one_tensor(states, [0.25] * 4, given).state

    one, other = made(lines=0.3), made(scale=(1.0, 2.2))
    for name in base:
        assert_close(one[name], other[name])


def test_corrections_may_differ_between_tensors_and_need_a_base():
    deltas = [draw(4, 4, seed=1), draw(4, 4, seed=1)]
    close(merged("task-arithmetic", deltas, scale=2.0, **{"svc@layers": 0.1}), deltas[0])
    close(merged("task-arithmetic", deltas, scale=2.0, **{"svc@other": 0.1}), 2 * deltas[0])
    with pytest.raises(RecipeError, match="has no option"):
        find_fusion("average").settings({"svc": 0.1}, 2)
    with pytest.raises(RecipeError, match="at least 0"):
        find_fusion("ties").settings({"svc": -1.0}, 2)


# What looks at rows.

ROWS = 40


def mlp(seed):
    config = MlpHeadConfig(input_size=6, hidden_sizes=[5], num_labels=3, hidden_act="tanh")
    torch.manual_seed(seed)
    return MlpHeadForClassification(config).double().eval()


def inputs(seed):
    return torch.from_numpy(draw(ROWS, 6, seed=seed)) + 0.5


def batches(x):
    return [ProbeBatch({"features": part}) for part in x.split(15)]


def context(shared=None, own=(), heads=frozenset()):
    tasks = TaskRows(tuple(map(batches, own)), heads) if own else None
    rows = NoBatches() if shared is None else batches(shared)
    return MethodContext(None, copy.deepcopy(mlp(0)), rows, Workers(threads=1), tasks=tasks)


def fused(method, states, work, base=None, weights=None, **options):
    weights = weights or [1 / len(states)] * len(states)
    return find_fusion(method).fuse(states, weights, work, Given(base=base, options=options))


def hidden(state, x):
    return torch.tanh(x @ state["layers.0.linear.weight"].T + state["layers.0.linear.bias"])


def test_regmean_pp_of_one_set_of_rows_outside_blocks_is_the_average():
    """All parents read the same there, so that their mean weight is the regression to them all."""
    states = [mlp(seed).state_dict() for seed in (1, 2)]
    found = fused("regmean-pp", states, context(inputs(5)))
    for name, value in found.items():
        assert_close(value, (states[0][name] + states[1][name]) / 2, rtol=1e-6, atol=1e-6)


def test_regmean_pp_regresses_on_what_the_merged_blocks_before_pass_on():
    states, weights = [mlp(seed).state_dict() for seed in (1, 2)], [0.3, 0.7]
    own = [inputs(5), inputs(6)]
    found = fused("regmean-pp", states, context(own=own), weights=weights, shrink=1.0)
    given = own
    for layer in ("layers.0.linear", "classifier"):
        left = [np.sqrt(w) * x.numpy() for w, x in zip(weights, given, strict=True)]
        tensors = [state[f"{layer}.weight"].numpy() for state in states]
        right = [part @ tensor.T for part, tensor in zip(left, tensors, strict=True)]
        wanted = np.linalg.lstsq(np.concatenate(left), np.concatenate(right), rcond=None)[0].T
        np.testing.assert_allclose(found[f"{layer}.weight"].numpy(), wanted, rtol=1e-5, atol=1e-6)
        given = [hidden(found, x) for x in own]


def test_esm_keeps_the_principal_components_of_what_outputs_change():
    models, base = [mlp(1).state_dict(), mlp(2).state_dict()], mlp(3).state_dict()
    own = [inputs(5), inputs(6)]
    found = fused("esm", models, context(own=own), base=base)
    read = {
        "layers.0.linear": own,
        "classifier": [hidden(m, x) for m, x in zip(models, own, strict=True)],
    }
    for layer, given in read.items():
        name = f"{layer}.weight"
        deltas = [(model[name] - base[name]).numpy() for model in models]
        kept = len(deltas[0]) // 2
        sizes = [np.linalg.norm(delta) for delta in deltas]
        left, right = [], []
        for delta, x, size in zip(deltas, given, sizes, strict=True):
            _, values, directions = np.linalg.svd(x.numpy() @ delta.T, full_matrices=False)
            spread = (values[:kept] ** 2 / (values[:kept] ** 2).mean()) ** SPREAD
            spread /= spread.mean()
            left.append(directions[:kept].T * spread)
            right.append(
                (directions[:kept] @ delta) * spread[:, None] * (size / np.mean(sizes)) ** 2
            )
        columns = np.concatenate(right)
        norms = np.linalg.norm(columns, axis=0)
        columns = columns * (norms / norms.mean()) ** 2
        u = np.concatenate(left, 1)
        wanted = (whitened(u) * np.linalg.svd(u, compute_uv=False).mean()) @ (
            whitened(columns.T).T * np.linalg.svd(columns, compute_uv=False).mean()
        )
        np.testing.assert_allclose(
            (found[name] - base[name]).numpy(), GAIN * wanted, rtol=1e-6, atol=1e-8
        )
        bias = (models[0][f"{layer}.bias"] + models[1][f"{layer}.bias"]) / 2
        assert_close(found[f"{layer}.bias"], bias)


def test_a_step_of_adamerging_goes_down_the_entropy_of_every_task_with_its_own_head():
    models, base = [mlp(1).state_dict(), mlp(2).state_dict()], mlp(3).state_dict()
    heads = frozenset(name for name in base if name.startswith("classifier"))
    work = context(own=[inputs(5)[:12], inputs(6)[:12]], heads=heads)
    before = fused("adamerging", models, work, base=base, iterations=0)
    found = fused("adamerging", models, work, base=base, iterations=1, rate=0.01)
    for name in set(base) - heads:
        deltas = torch.stack([model[name] - base[name] for model in models])
        assert_close(before[name], base[name] + 0.3 * deltas.sum(0))
        coefficients = torch.full((2,), 0.3, dtype=torch.float64, requires_grad=True)
        total = 0
        for model, seed in zip(models, (5, 6), strict=True):
            state = {**before, name: base[name] + torch.tensordot(coefficients, deltas, 1)}
            logits = hidden(state, inputs(seed)[:12]) @ model["classifier.weight"].T
            chances = (logits + model["classifier.bias"]).softmax(-1)
            total = total - (chances * chances.log()).sum(-1).mean()
        total.backward()
        moved = 0.3 - 0.01 * coefficients.grad.sign()
        assert_close(
            found[name], base[name] + torch.tensordot(moved, deltas, 1), rtol=1e-5, atol=1e-6
        )
    for name in heads:
        assert_close(found[name], (models[0][name] + models[1][name]) / 2)


@pytest.mark.parametrize("method", ["regmean-pp", "esm", "adamerging"])
def test_what_reads_rows_says_so_where_there_are_none(method):
    states = [mlp(seed).state_dict() for seed in (1, 2)]
    with pytest.raises(RecipeError, match=f"{method}.*needs calibration rows"):
        fused(method, states, context(), base=states[0])


@pytest.mark.parametrize("method", ["esm", "adamerging", "regmean-pp"])
def test_what_reads_rows_is_the_same_on_any_number_of_threads(method):
    states, base = [mlp(seed).float().state_dict() for seed in (1, 2)], mlp(3).float().state_dict()
    options = {"iterations": 3} if method == "adamerging" else {}
    one, two = (
        fused(
            method,
            states,
            MethodContext(
                None,
                copy.deepcopy(mlp(0).float()),
                batches(inputs(5).float()),
                Workers(threads=count),
            ),
            base=base,
            **options,
        )
        for count in (1, 2)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_least_squares_asks_of_rows_of_a_task_what_its_own_parent_does():
    """Enough rows of each make the merged head the regression to its own parent's outputs there."""
    states = [mlp(seed).state_dict() for seed in (1, 2)]
    for state in states:
        state["layers.0.linear.weight"] = states[0]["layers.0.linear.weight"]
        state["layers.0.linear.bias"] = states[0]["layers.0.linear.bias"]
    own = [inputs(5), inputs(6) + 1]
    found = fused("least-squares", states, context(own=own))
    x = torch.cat([hidden(states[0], rows) for rows in own])
    heads = [state["classifier.weight"] for state in states]
    biases = [state["classifier.bias"] for state in states]
    targets = [
        hidden(states[0], rows) @ head.T + bias
        for rows, head, bias in zip(own, heads, biases, strict=True)
    ]
    wanted = torch.cat(targets)

    def error(weight, bias):
        return float((x @ weight.T + bias - wanted).square().mean())

    least = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1).double()], 1), wanted).solution
    reached = error(found["classifier.weight"], found["classifier.bias"])
    mean = error(sum(heads) / 2, sum(biases) / 2)
    best = error(least[:-1].T, least[-1])
    assert best <= reached < best + 0.05 * (mean - best)
