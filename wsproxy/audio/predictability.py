"""How well samples are predicted by those before them: well in audio, badly in other bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .rows import row_means, row_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Windows = NDArray[np.float32]
    Figures = NDArray[np.float64]

_ORDER = 6  # samples from which one is predicted
_MIN_NEARER, _MAX_WITHIN = 0.66, 0.35
_BALANCE = 1.5
_TINY = 1e-3  # power that counts as none


def level_and_smoothness(
    windows: Windows, energy: Figures, mean: Figures, lag: int = 1
) -> tuple[Figures, Figures]:
    """Of each window: RMS without the mean, and the correlation of samples `lag` apart.

    Args:
        energy: of each window, the sum of the squares of its samples.
        mean: of each window.
    """
    size = windows.shape[1]
    power = energy / size - mean**2
    product = row_products(windows[:, :-lag], windows[:, lag:]).astype(np.float64)
    smooth = (product / (size - lag) - mean**2) / np.maximum(power, _TINY)
    return np.sqrt(np.maximum(power, 0.0)), smooth


@dataclass(frozen=True, slots=True)
class Prediction:
    """How well each window is predicted.

    Attributes:
        rms: without the mean.
        error: the share of the power that the prediction leaves.
        lags: correlation with the last samples, by their distance from 0 on.
    """

    rms: Figures
    error: Figures
    lags: Figures

    def second_error(self, numbers: NDArray[np.intp]) -> Figures:
        """The same error of some windows for a prediction from every second of those samples."""
        return _residue(self.lags[numbers, ::2])


def predict(windows: Windows, order: int = _ORDER) -> Prediction:
    """Predict each sample of each window from those before it.

    Args:
        order: from how many of them. From fewer, the error is not less.
    """
    centered = windows - row_means(windows)[:, None]
    size = windows.shape[1]
    lags = np.stack(
        [row_products(centered[:, : size - lag], centered[:, lag:]) for lag in range(order + 1)],
        axis=1,
    ).astype(np.float64)
    shares = lags / np.maximum(lags[:, 0], _TINY)[:, None]
    shares[:, 0] = 1.0 + 1e-6
    rms = np.sqrt(lags[:, 0] / size)
    return Prediction(rms, _residue(shares), shares)


def _residue(lags: Figures) -> Figures:
    """The error of the best linear prediction, by Levinson's recursion."""
    columns = np.ascontiguousarray(lags.T)  # each step is for all windows
    order = len(columns) - 1
    error: Figures = columns[0].copy()
    weights = np.zeros((order, columns.shape[1]))
    for n in range(order):
        reflection = columns[n + 1].copy()
        if n:
            reflection -= (weights[:n] * columns[n:0:-1]).sum(axis=0)
        reflection /= error
        np.maximum(np.minimum(reflection, 1.0, out=reflection), -1.0, out=reflection)
        if n:
            weights[:n] -= reflection * weights[:n][::-1]
        weights[n] = reflection
        error *= 1 - reflection**2
        np.maximum(error, 1e-9, out=error)
    return error


def alternates(windows: Windows) -> NDArray[np.bool_]:
    """Whether two similar channels alternate in each window.

    Then the two samples of a pair are nearer to each other than to those of the next pair, while
    in audio of one channel there is no such difference.
    """
    steps = windows[:, 1:] - windows[:, :-1]
    count = windows.shape[1] // 2 - 1
    even, odd = steps[:, 0 : 2 * count : 2], steps[:, 1 : 2 * count : 2]
    out = np.zeros(len(windows), np.bool_)
    even_square, odd_square = row_products(even, even), row_products(odd, odd)
    # A pair may begin at any sample.
    for within, between, alike in (
        (even, odd, even_square < _MAX_WITHIN * odd_square),
        (odd, even, odd_square < _MAX_WITHIN * even_square),
    ):
        rows = np.flatnonzero(alike)
        if len(rows):  # nearly always none
            nearer = np.abs(within[rows]) < np.abs(between[rows])
            out[rows] |= nearer.mean(axis=1) > _MIN_NEARER
    return out


def unbalanced(windows: Windows) -> NDArray[np.bool_]:
    """Whether every second sample of each window is much louder than the others."""
    first, second = windows[:, 0::2].std(axis=1), windows[:, 1::2].std(axis=1)
    out: NDArray[np.bool_] = np.maximum(first, second) > _BALANCE * np.minimum(first, second)
    return out
