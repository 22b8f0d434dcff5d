"""From measurements to parameters: the problem, its solvers, and what the answer is worth."""
