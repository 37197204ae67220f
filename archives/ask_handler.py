"""The program that answers by an archive's own code, as a worker of TorchServe would; ``alone.py`` runs it.

    python -I ask_handler.py FOLDER

``FOLDER`` holds an unpacked archive. Each line of the standard input is the body of a request; each line of the
standard output is the status and the body of its answer. It uses only what every archive has: its handler file with one
class. So it loads archives of earlier releases too.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import yaml


def main(folder: Path) -> None:
    """Load the archive in ``folder`` and answer until the input ends."""
    sys.path.insert(0, str(folder))
    from recommender_handler import RecommenderHandler

    status = {}
    context = SimpleNamespace(
        system_properties={"model_dir": str(folder), "gpu_id": None},
        model_yaml_config=yaml.safe_load((folder / "model-config.yaml").read_text()),
        manifest=json.loads((folder / "MAR-INF/MANIFEST.json").read_text()),
        metrics=None,
        set_response_content_type=lambda *_: None,
        set_response_header=lambda *_: None,
        set_response_status=lambda code, phrase, index: status.update(code=code),
        get_request_header=lambda *_: None,
    )
    handler = RecommenderHandler()
    handler.initialize(context)
    for line in sys.stdin.buffer:
        (body,) = handler.handle([{"body": line}], context)
        sys.stdout.buffer.write(b"%d %s\n" % (status["code"], body))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
