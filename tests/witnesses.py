"""The three witnesses for every component of the library, and the inputs on which they are heard.

1. nested loops that transcribe the lecture's sum (`check_values` against the `loops` in `components`),
2. a derivative along a random direction, from two forwards (`check_derivative`),
3. PyTorch in float64, gradients too (`check_torch`).

`check_purity` adds what holds for every function: it writes into no argument,
takes any memory layout, and gives back the type it got.
"""

import copy

import numpy as np

from pnnlib.bridge import compare


def check_values(actual, expected, atol=1e-10):
    """The same shape, and the same numbers up to rounding."""
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def check_derivative(forward, backward, *arrays, rng, rtol=1e-6, step=1e-4, **options):
    """The backward predicts how dy·y changes when one input moves a little in a random direction.

    Four forwards per input, whatever its size: two steps, of which the smaller
    takes the curvature's error out of the larger (Richardson). dy is random, never
    ones. The error is measured against what such a derivative is on average, the
    gradient's norm.
    """
    arrays = [None if a is None else np.array(a, np.float64) for a in arrays]
    dy = rng.normal(size=np.shape(forward(*arrays, **options)))
    gradients = backward(dy, *arrays, **options)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    assert len(gradients) == len(arrays)
    for place, (a, gradient) in enumerate(zip(arrays, gradients)):
        if a is None:
            assert gradient is None
            continue
        assert gradient.shape == a.shape
        direction = rng.normal(size=a.shape)

        def loss(t):
            moved = [*arrays[:place], a + t * direction, *arrays[place + 1:]]
            return np.sum(dy * forward(*moved, **options))

        coarse, fine = ((loss(h) - loss(-h)) / (2 * h) for h in (step, step / 2))
        numeric = (4 * fine - coarse) / 3
        error = abs(numeric - np.sum(gradient * direction))
        assert error <= rtol * max(np.linalg.norm(gradient), abs(numeric)), f"gradient {place}: off by {error}"


def check_torch(forward, torch_forward, *arrays, backward, rng, atol=1e-10, **options):
    """PyTorch gives the same result and the same gradients, in float64."""
    report = compare(forward, torch_forward, *arrays, backward=backward, rng=rng, atol=atol, **options)
    assert report, report


def layouts(a):
    """The array a as it may come from anywhere: other orders in memory, every second element, reversed, read-only."""
    a = np.asarray(a)
    spread = np.zeros([2 * n for n in a.shape], a.dtype)
    spread[(slice(None, None, 2),) * a.ndim] = a
    frozen = a.copy()
    frozen.flags.writeable = False
    return {
        "column-major": np.array(a, order="F"),  # asfortranarray makes (1,) of a single number
        "every second": spread[(slice(None, None, 2),) * a.ndim],
        "reversed": np.flip(np.flip(a).copy()),
        "read-only": frozen,
    }


def check_purity(function, *arrays, **options):
    """The function writes into no argument, gives the same for every memory layout, and float32 for float32.

    Arrays among the options, such as a mask or labels, are not to be written into either.
    """
    expected = _as_tuple(function(*arrays, **options))
    variants = [None if a is None else layouts(a) for a in arrays]
    option_variants = {name: layouts(value) for name, value in options.items() if isinstance(value, np.ndarray)}
    for layout in layouts(0):
        given = [None if v is None else v[layout] for v in variants]
        given_options = {**options, **{name: v[layout] for name, v in option_variants.items()}}
        before = copy.deepcopy([*given, *given_options.values()])
        results = _as_tuple(function(*given, **given_options))
        for result, right in zip(results, expected, strict=True):
            if right is not None:
                check_values(result, right)
        for a, b in zip([*given, *given_options.values()], before):
            np.testing.assert_array_equal(a, b, err_msg="wrote into an argument")
    for dtype in (np.float32, np.float64):
        single = [None if a is None else a.astype(dtype) for a in arrays]
        single_options = {name: _in_type(value, dtype) for name, value in options.items()}
        for result, right in zip(_as_tuple(function(*single, **single_options)), expected, strict=True):
            if right is not None:
                assert result.dtype == dtype
                np.testing.assert_allclose(result, right, rtol=1e-4, atol=1e-4)


def _in_type(value, dtype):
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _as_tuple(result):
    return result if isinstance(result, tuple) else (result,)
