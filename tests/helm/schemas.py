"""schemas.py WHEEL FOLDER: write Kubernetes' schemas of the kinds that Kong's chart renders, each complete in itself.

kubeconform resolves no reference from one file of a folder to another, so each gets its definitions.
"""

import json
import sys
import zipfile
from pathlib import Path

KINDS = (
    "deployment-apps-v1",
    "job-batch-v1",
    "poddisruptionbudget-policy-v1",
    "secret-v1",
    "service-v1",
    "serviceaccount-v1",
)
SOURCE = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict"
OTHER_FILE = '"/api/_definitions.json#'


def write(wheel: Path, folder: Path) -> None:
    """Write one file a kind, named as kubeconform asks for it."""
    with zipfile.ZipFile(wheel) as packed:

        def read(name: str) -> dict[str, object]:
            return json.loads(packed.read(f"{SOURCE}/{name}.json").decode().replace(OTHER_FILE, '"#'))

        definitions = read("_definitions")["$defs"]
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            schema = read(kind)
            schema.pop("$id", None)
            (folder / f"{kind}.json").write_text(json.dumps(schema | {"$defs": definitions}), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
