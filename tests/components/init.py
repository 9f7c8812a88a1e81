"""Weights to begin with are drawn by chance, and have no gradient."""

COMPONENTS = ()
ELSEWHERE = dict.fromkeys(
    ["fans", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"], "test_init.py"
)
