"""The networks that can be trained, by the names that `--network` takes: a line for each.

How many widths each takes, and by default which, stands in `dcign.config`, which knows nothing of torch.
"""

from __future__ import annotations

from dcign.config import TrainConfig
from dcign.model.interface import Network
from dcign.model.modulated_network import ModulatedNetwork
from dcign.model.paper_network import PaperNetwork

NETWORKS: dict[str, Network] = {
    "paper": PaperNetwork(),
    "modulated": ModulatedNetwork(),
}


def network_of(config: TrainConfig) -> Network:
    """Return the kind of network that `config` asks for."""
    return NETWORKS[config.network]
