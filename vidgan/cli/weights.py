"""What `--features` means, with a bar while it is downloaded."""

from __future__ import annotations

from pathlib import Path

HELP = "What judges the look: vgg16 or vgg19 (downloaded once), or torchvision's .pth."


def find_features(choice: str | None) -> Path | None:
    """Return the file of weights that `choice` names; None for the default."""
    from vidgan.cli.progress import Bar
    from vidgan.train import weights

    with Bar("download weights", unit="MB") as bar:
        return weights.find_features(
            choice, report=lambda name, done, total: bar.update(done >> 20, total and total >> 20, name)
        )
