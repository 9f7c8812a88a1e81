"""Windows are no component: they are counted, padded and cut, and have no gradient of their own."""

COMPONENTS = ()
ELSEWHERE = dict.fromkeys(
    ["output_size", "receptive_field", "pad", "taps", "geometry", "per_axis", "cure_for_axes"], "test_windows.py"
)
