"""The evidence of a report in a fraction of its time: fewer draws, trees, votes and folds, and plainer pictures."""

from matplotlib.figure import Figure

from dcign.evaluation.evidence import latent_scores
from dcign.evaluation.metrics import bootstrap, dci, groups, vae_scores


def hasten_report(patch):
    """As `hasten`, and pictures whose parts may overlap: what lays them out is tested section by section."""
    hasten(patch)
    patch.setattr(groups, "FOLDS", 3)
    patch.setattr(Figure, "set_layout_engine", lambda *_, **__: None)


def hasten(patch):
    """Take fewer draws, trees and votes until `patch`, a MonkeyPatch, is undone."""
    patch.setattr(bootstrap.estimate, "__defaults__", (12,))  # draws
    patch.setattr(latent_scores, "DRAWS", 12)
    patch.setattr(latent_scores, "FEW_DRAWS", 3)
    patch.setattr(dci, "TREES", 30)
    for name in ("TRAIN_VOTES", "TEST_VOTES", "TRAIN_POINTS", "TEST_POINTS"):
        patch.setattr(vae_scores, name, 1000)
