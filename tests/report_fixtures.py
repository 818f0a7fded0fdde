"""Small reports of `dcign evaluate`, as files: what a comparison reads."""

import json


def estimate(value, half_width=0.01):
    return {"value": value, "low": value - half_width, "high": value + half_width}


def report(folder, mse=0.01, step=1000, **config):
    """The content of a report.json of the run in `folder`; `config` are settings of its training."""
    return {
        "format": 1,
        "run": {"folder": str(folder), "step": step, "object": "face", "size": 24},
        "data_set": {
            "folder": "shards",
            "split": "test",
            "fingerprint": "ab" * 32,
            "object": "face",
            "images": 1234,
            "identities": 56,
        },
        "reconstruction": {"mse": mse},
        "spearman": {"largest_leak": {"latent": "light", "factor": "azimuth", "value": 0.2}},
        "intervals": {"mse": estimate(mse, mse / 10), "spearman": {"azimuth": {"azimuth": estimate(0.9)}}},
        "evidence": {"recognition": {"skipped": "no renderer at hand"}},
        "made": {
            "command": f"dcign evaluate {folder} shards",
            "config": {"procedure": "clamped", "widths": [8, 8, 4], "seed": 0, "beta": 4.0, **config},
            "training_data": {"fingerprint": "cd" * 32},
        },
        "warnings": [],
    }


def write_report(folder, document):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(document))
    return folder
