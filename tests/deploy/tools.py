"""The tools of `make check-deploy`, what they make of deploy/, and the judges of what they have made."""

import functools
import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "deploy" / "bin"
CHART = ROOT / "deploy" / "chart"
PLATFORM = ROOT / "deploy" / "platform"
EXAMPLES = ("minimal", "production", "air-gapped")
OVERLAYS = ("production", "trial", "postgres/restore")
KUBERNETES = "1.35.0"
RELEASE = NAMESPACE = "union"
CRDS = Path(os.environ.get("UNION_CRD_SCHEMAS", ROOT.parent / "shared" / "crds"))
"""JSON Schemas of the operators' resources, `group_version_kind.json`, made from their own definitions."""

Resource = dict[str, Any]


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(BIN / "helm", *arguments)


def template(example: str, *arguments: str | Path, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    """What the chart makes of an example's values, with `arguments` over them."""
    values = CHART / "examples" / example / "values.yaml"
    return helm(
        *("template", RELEASE, chart, "--namespace", NAMESPACE, "--kube-version", KUBERNETES),
        *("--values", values),
        *arguments,
    )


@functools.cache
def rendered(example: str, *arguments: str) -> str:
    made = template(example, *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout


def resources(example: str, *arguments: str) -> list[Resource]:
    """The chart's resources of an example."""
    return documents(rendered(example, *arguments))


@functools.cache
def kustomized(folder: Path) -> str:
    made = run(BIN / "kubectl", "kustomize", folder)
    assert made.returncode == 0, made.stderr
    return made.stdout


def platform(overlay: str) -> list[Resource]:
    return documents(kustomized(PLATFORM / overlay))


def documents(text: str) -> list[Resource]:
    return [document for document in yaml.safe_load_all(text) if document is not None]


def of_kind(resources: Iterable[Resource], kind: str) -> dict[str, Resource]:
    """Resources of one kind by their name."""
    return {each["metadata"]["name"]: each for each in resources if each["kind"] == kind}


def golden(example: str) -> Path:
    return CHART / "examples" / example / "rendered.yaml"


# ---- judges: what each finds wrong, nothing when all is well -------------------------------------------------------


def is_builtin(resource: Resource) -> bool:
    group = resource["apiVersion"].rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


def judge_builtin(judged: Sequence[Resource], folder: Path) -> list[str]:
    """Kubernetes' own kinds by kubernetes-validate, strict: an unknown field is an error."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "resources.yaml"
    file.write_text(yaml.safe_dump_all([each for each in judged if is_builtin(each)]))
    validated = run(BIN / "kubernetes-validate", "-k", KUBERNETES, "--strict", "--quiet", file)
    told = (validated.stdout + validated.stderr).strip().splitlines()
    # It only warns of a kind that it does not know.
    return told or ([] if validated.returncode == 0 else ["kubernetes-validate failed"])


def judge_custom(judged: Sequence[Resource]) -> list[str]:
    """The operators' kinds by the schemas of their definitions; a kind without a schema is an error."""
    found = []
    for each in judged:
        if is_builtin(each):
            continue
        name = f"{each['kind']} {each['metadata']['name']}"
        schema = schema_of(each)
        if schema is None:
            found.append(f"{name}: no schema of {each['apiVersion']} {each['kind']} in {CRDS.name}")
            continue
        errors = jsonschema.Draft7Validator(schema).iter_errors(each)
        found += [f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
    return found


def schema_of(resource: Resource) -> Resource | None:
    kind, (group, _, version) = resource["kind"], resource["apiVersion"].partition("/")
    if (group, kind) == ("barmancloud.cnpg.io", "ObjectStore"):
        return _object_store_schema()
    file = CRDS / f"{group}_{version}_{kind.lower()}.json"
    return json.loads(file.read_text()) if file.is_file() else None


@functools.cache
def _object_store_schema() -> Resource:
    # The plugin's documentation: spec.configuration is what the cluster's own barmanObjectStore was.
    cluster = json.loads((CRDS / "postgresql.cnpg.io_v1_cluster.json").read_text())
    configuration = cluster["properties"]["spec"]["properties"]["backup"]["properties"]["barmanObjectStore"]
    spec = {
        "type": "object",
        "additionalProperties": False,
        "required": ["configuration"],
        "properties": {
            "configuration": configuration,
            "retentionPolicy": {"type": "string", "pattern": "^[1-9][0-9]*[dwm]$"},
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "barmancloud.cnpg.io/v1"},
            "kind": {"const": "ObjectStore"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
    }


def judge_policy(files: Sequence[Path]) -> list[str]:
    """What checkov finds against its rules for Kubernetes, but for those that deploy/checkov.yaml leaves out."""
    arguments: list[str | Path] = ["--config-file", ROOT / "deploy" / "checkov.yaml"]
    for file in files:
        arguments += ["--file", file]
    # It logs into the folder it runs in, and asks nothing of the network.
    judged = run(BIN / "checkov", *arguments, "--output", "json", cwd=files[0].parent)
    reports = json.loads(judged.stdout)
    reports = reports if isinstance(reports, list) else [reports]
    assert sum(report["summary"]["passed"] for report in reports) > 100, judged.stderr
    return [
        f"{failed['check_id']} {failed['resource']}: {failed['check_name']}"
        for report in reports
        for failed in report["results"]["failed_checks"]
    ]
