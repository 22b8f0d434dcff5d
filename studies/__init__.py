"""Published results, repeated and checked; imported as `splitmodel_studies`.

Each study is a folder:

- `claim.toml`: title, source, and the claims with their published values and tolerances, written
  before the run (`splitmodel_studies.claim`).
- `run.py`: `run()` computes an `xarray.Dataset`, and `plot(result)` draws it. A claim is judged by
  the variable of the result that has the claim's name: a scalar, or one over `route`, of which the
  claim names the entry that is judged.
- `about.md`: the explanation in the docs. `{name:.2f}` stands for a scalar of the result and
  `{published[name]:g}` for what a claim says, so that no number is written by hand.
- `__init__.py`: one line.

A new study also needs two lines in pyproject.toml: its package, and its entry point in the group
`splitmodel.studies`, by which it is found. A claim that cannot be reproduced stays, with `fails`:
the reason. A test then asserts that it fails, for as long as it does.

Studies of whole clusters ask `splitmodel_studies.routes`, which answers each question once.
`splitmodel study` runs studies, and writes results and pages of the docs.
"""
