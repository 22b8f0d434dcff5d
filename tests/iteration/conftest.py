"""A model on a machine by name, for tests of single formulas."""

from collections.abc import Callable

import pytest

from splitmodel.iteration.instance import Instance, make_instance
from splitmodel.specs.catalogue import machine, transformer
from splitmodel.specs.leaves import as_arrays
from splitmodel.specs.transformer import Transformer

Hosted = tuple[Transformer, Instance]


@pytest.fixture(scope="session")
def hosted() -> Callable[..., Hosted]:
    """Transformer and instance from their names and the numbers of `make_instance`."""

    def make(
        model: str,
        machine_name: str,
        tensor_parallel: float = 8.0,
        pipeline_parallel: float = 1.0,
        power_cap: float = 1.0,
        stack: str | None = None,
    ) -> Hosted:
        spec, server, tp, pp, cap = as_arrays(
            (
                transformer(model),
                machine(machine_name),
                tensor_parallel,
                pipeline_parallel,
                power_cap,
            )
        )
        return spec, make_instance(server, spec, tp, pp, cap, stack)

    return make
