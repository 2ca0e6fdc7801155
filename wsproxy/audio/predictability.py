"""How well samples are predicted by those before them: well in audio, badly in other bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Windows = NDArray[np.float32]
    Figures = NDArray[np.float64]

_ORDER = 6
_TINY = 1e-3  # power that counts as none


def level_and_smoothness(windows: Windows, lag: int = 1) -> tuple[Figures, Figures]:
    """Of each window: RMS without the mean, and the correlation of samples `lag` apart."""
    size = windows.shape[1]
    mean = windows.mean(axis=1, dtype=np.float64)
    power = np.einsum("ij,ij->i", windows, windows).astype(np.float64) / size - mean**2
    product = np.einsum("ij,ij->i", windows[:, :-lag], windows[:, lag:]).astype(np.float64)
    smooth = (product / (size - lag) - mean**2) / np.maximum(power, _TINY)
    return np.sqrt(np.maximum(power, 0.0)), smooth


def prediction_errors(windows: Windows) -> tuple[Figures, Figures, Figures]:
    """Of each window: RMS, and the share of its power that prediction leaves.

    Returns:
        The RMS without the mean; the error of a prediction from the last 6 samples; and that of one
        from every second of them, which is as good only if two channels alternate.
    """
    centered = windows - windows.mean(axis=1, keepdims=True)
    size = windows.shape[1]
    lags = np.stack(
        [
            np.einsum("ij,ij->i", centered[:, : size - lag], centered[:, lag:])
            for lag in range(_ORDER + 1)
        ],
        axis=1,
    ).astype(np.float64)
    power = np.maximum(lags[:, 0], _TINY)
    shares = lags / power[:, None]
    shares[:, 0] = 1.0 + 1e-6
    return np.sqrt(lags[:, 0] / size), _residue(shares), _residue(shares[:, ::2])


def _residue(lags: Figures) -> Figures:
    """The error of the best linear prediction, by Levinson's recursion."""
    count, order = lags.shape[0], lags.shape[1] - 1
    error = lags[:, 0].copy()
    weights = np.zeros((count, order))
    for n in range(order):
        reflection = lags[:, n + 1] - np.einsum(
            "ij,ij->i", weights[:, :n], lags[:, 1 : n + 1][:, ::-1]
        )
        reflection = np.clip(reflection / error, -1.0, 1.0)
        weights[:, :n] -= reflection[:, None] * weights[:, :n][:, ::-1].copy()
        weights[:, n] = reflection
        error = np.maximum(error * (1 - reflection**2), 1e-9)
    return error


def alternation(windows: Windows) -> Figures:
    """How much nearer the samples of a pair are to each other than to those of other pairs.

    Returns:
        For each window the mean square difference within pairs over that between pairs: 1.0 in
        audio of one channel, and near 0 where two similar channels alternate.
    """
    square = np.diff(windows, axis=1) ** 2
    within, between = square[:, 0::2].mean(axis=1), square[:, 1::2].mean(axis=1)
    out: Figures = ((within + 1e-6) / (between + 1e-6)).astype(np.float64)
    return out
