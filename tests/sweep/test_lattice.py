"""Numbers of configurations: what the device makes of a block is what the host says it is."""

import numpy as np
import pytest

from splitmodel.errors import InputError
from splitmodel.specs.design import cluster_of
from splitmodel.sweep import kernel
from splitmodel.sweep.generate import LIMITS
from splitmodel.sweep.lattice import COLUMNS, Kind, Lattice
from splitmodel.sweep.packing import Structure

ROWS = 64
LONG = 3000


def dials(*lengths: int) -> list[dict[str, np.ndarray]]:
    return [{name: np.arange(1.0, n + 1.0)} for name, n in zip(COLUMNS, lengths, strict=True)]


def lattice() -> Lattice:
    """Small kinds of several shapes, then one with more configurations than 32 bits can number."""
    together = [
        {"prompt": np.array([1.0, 2.0, 5.0]), "token": np.array([7.0, 8.0, 9.0])},
        {"mixed": np.zeros(1)},
        {"rate_rps": np.linspace(0.1, 0.9, 30)},
    ]
    kinds = [
        Kind({}, cluster_of("AA"), 0.0, dials(3, 5, 1, 7)),
        Kind({}, cluster_of("baseline-A100", batching="request"), 0.0, together),
        Kind({}, cluster_of("HH"), 0.0, dials(LONG, LONG, 1, LONG)),
    ]
    return Lattice(kinds, ROWS)


def made(lattice: Lattice, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a block as the device makes them, and which of them count."""
    blocks = np.array([block])
    structure = Structure.of(lattice.likes[lattice.family(blocks)][0])
    rows, kept = kernel.generate(structure, ROWS, ())(
        lattice.values, np.full(len(LIMITS), np.inf), lattice.describe(blocks)
    )
    return np.stack(rows, axis=-1)[0], np.asarray(kept)[0]


def test_rows_of_any_block_are_those_of_its_numbers():
    space = lattice()
    assert space.size == 105 + 90 + LONG**3 > 2**34
    for block in (0, 1, 2, 3, 4, 5, space.blocks // 2, space.blocks - 2, space.blocks - 1):
        rows, kept = made(space, block)
        assert kept.sum() == space.rows_in(block, block + 1) > 0
        numbers = block * ROWS + np.flatnonzero(kept)
        told = np.stack(list(space.columns(numbers).values()), axis=-1)
        np.testing.assert_array_equal(rows[kept], told.astype(rows.dtype))


def test_numbers_run_through_the_dials_like_an_odometer():
    space = lattice()
    columns = space.columns(np.arange(105))
    expected = np.stack(np.meshgrid(*(np.arange(1.0, n + 1) for n in (3, 5, 1, 7)), indexing="ij"))
    np.testing.assert_array_equal(list(columns.values()), expected.reshape(4, -1))
    last = space.columns(
        np.array([(space.blocks - 1) * ROWS + space.rows_in(-1 + space.blocks, space.blocks) - 1])
    )
    assert [each.item() for each in last.values()] == [LONG, LONG, 1.0, LONG]


def test_values_of_one_dial_vary_together():
    columns = lattice().columns(2 * ROWS + np.arange(90))
    assert {*zip(columns["prompt"], columns["token"], strict=True)} == {(1, 7), (2, 8), (5, 9)}


def test_runs_keep_tree_structures_apart():
    runs = [run.tolist() for run in lattice().runs(0, 9, 3)]
    assert runs == [[0, 1], [2, 3], [4, 5, 6], [7, 8]]


def test_more_than_can_be_numbered_is_refused():
    with pytest.raises(InputError, match="configurations; at most"):
        Lattice([Kind({}, cluster_of("AA"), 0.0, dials(*[100_000] * 4))], ROWS)
