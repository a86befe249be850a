"""How far two rows of pictures lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def likeness(one: Sequence[Image], other: Sequence[Image]) -> dict[str, Any]:
    """Return worst and mean PSNR, the largest difference, and the share of values more than one level apart."""
    pairs = list(zip(one, other, strict=True))
    psnrs = [min(cv2.PSNR(first, second), 99.0) for first, second in pairs]
    differences = [cv2.absdiff(first, second) for first, second in pairs]
    return {
        "psnr_worst": round(min(psnrs), 2),
        "psnr_mean": round(float(np.mean(psnrs)), 2),
        "largest_levels": max(int(difference.max()) for difference in differences),
        "share_beyond_one_level": round(float(np.mean([(difference > 1).mean() for difference in differences])), 6),
    }
