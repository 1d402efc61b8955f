"""Fuzzing: what comes from outside, made at random, against what must not break by it.

Hypothesis makes and shrinks the cases, schemathesis those of the API; both are installed with the tests. Each module
has targets of one kind; ``hunt`` runs one, ``run`` all of them in processes of their own.
"""
