"""The manifests of ``deploy/kubernetes``: rendered, valid by the schemas, and made of what the code really has.

No API server runs here, so nothing more is claimed. `custom_resources.json` has the schemas of the operators' resources
by their projects, reduced to the fields in use; a further field is copied from the `source` named there.
"""

from __future__ import annotations

import copy
import importlib
import json
import re
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml

from tests.support.manifests import IMAGE, KUBERNETES, Manifest, containers, pod_spec, render, the
from vqaops.gateway.nginx import QUIT_SECONDS
from vqaops.gateway.rendering import BODY_SECONDS, GATEWAY_FILES
from vqaops.gateway.settings import GatewaySettings
from vqaops.paths import CONFIG, DEPLOY
from vqaops.server.properties import read_properties
from vqaops.server.server import STOP_SECONDS

OLDEST, NEWEST = "1.30", "1.37"
"""Versions of Kubernetes; the action `sleep` of preStop is on by default since 1.30."""
VARIANTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "cpu": ("overlays/cpu", ()),
    "gpu": ("overlays/gpu", ("models-from-volume", "monitoring", "keda")),
    "gateway": ("overlays/gateway", ("models-from-hub", "monitoring", "autoscaling")),
    "kserve": ("kserve", ()),
}
CUSTOM = {
    kind: entry["schema"]
    for kind, entry in json.loads(Path(__file__).with_name("custom_resources.json").read_text()).items()
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    folder = tmp_path_factory.mktemp("kustomizations")
    return {name: render(folder / name, *variant) for name, variant in VARIANTS.items()}


def validate(manifest: Manifest, version: str) -> None:
    """Refuse unknown fields too."""
    if schema := CUSTOM.get(manifest["kind"]):
        jsonschema.Draft7Validator(schema).validate(manifest)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_manifest_is_valid(rendered: dict[str, list[Manifest]], variant: str, version: str):
    for manifest in rendered[variant]:
        validate(manifest, version)


@pytest.mark.parametrize("kind", ["Deployment", "HorizontalPodAutoscaler", "ServiceMonitor", "ServingRuntime"])
def test_a_misspelt_field_is_refused(rendered: dict[str, list[Manifest]], kind: str):
    manifests = [one for variant in rendered.values() for one in variant]
    wrong = copy.deepcopy(next(one for one in manifests if one["kind"] == kind))
    wrong["spec"]["replica"] = 1
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        validate(wrong, NEWEST)


@pytest.mark.parametrize("variant", VARIANTS)
def test_containers_are_confined_and_use_the_users_image(rendered: dict[str, list[Manifest]], variant: str):
    for container in containers(rendered[variant]):
        assert container["image"] == IMAGE
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"] is True
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}
        limits = container["resources"]["limits"]
        assert {"cpu", "memory"} <= limits.keys()  # what `auto` in a recipe reads


def test_pods_run_as_a_user_without_rights(rendered: dict[str, list[Manifest]]):
    context = pod_spec(the(rendered["cpu"], "Deployment"))["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = containers(rendered["kserve"])
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_commands_and_their_options_exist(rendered: dict[str, list[Manifest]], variant: str):
    for container in containers(rendered[variant]):
        script, *arguments = container["args"]
        module = importlib.import_module(f"scripts.{Path(script).stem}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer()
            app.command()(module.main)
        command = typer.main.get_command(app)
        if hasattr(command, "commands"):
            command, arguments = command.commands[arguments[0]], arguments[1:]
        command.make_context(script, arguments).close()  # raises for what it does not know


@pytest.mark.parametrize("variant", VARIANTS)
def test_mounted_volumes_exist_and_all_settings_are_mounted(rendered: dict[str, list[Manifest]], variant: str):
    names = {"Deployment": "vqaserve", "ServingRuntime": "vqaserve"}
    owner = next(one for one in rendered[variant] if one["kind"] in names)
    volumes = {one["name"] for one in pod_spec(owner)["volumes"]}
    for container in containers(rendered[variant]):
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert set(mounts.values()) <= volumes
        paths = re.findall(r"/etc/vqaserve/[^/ ]+", " ".join(container["args"]))
        assert set(paths) <= mounts.keys()
        assert mounts["/var/lib/vqaserve"] == "state"


def test_the_ports_are_those_of_the_settings(rendered: dict[str, list[Manifest]]):
    gateway = GatewaySettings.read(KUBERNETES / "base" / "gateway.yaml")
    metrics = read_properties(KUBERNETES / "base" / "config.properties")["metrics_address"]
    exporter = importlib.import_module("scripts.exporter").main.__defaults__[1]
    ports = {
        port["name"]: port["containerPort"]
        for container in containers(rendered["gpu"])
        for port in container.get("ports", [])
    }
    assert ports == {
        "https": int(gateway.listen[0].rpartition(":")[2]),
        "metrics": int(metrics.rpartition(":")[2]),
        "exporter": exporter,
    }
    assert not gateway.listen_http
    (runtime,) = containers(rendered["kserve"])
    plain = GatewaySettings.read(KUBERNETES / "kserve" / "gateway.yaml").listen_http
    assert plain == (f"127.0.0.1:{runtime['ports'][0]['containerPort']}",)


def test_nobody_reaches_a_port_of_torchserve_but_prometheus_its_metrics(rendered: dict[str, list[Manifest]]):
    properties = read_properties(KUBERNETES / "base" / "config.properties")
    for kind in ("inference", "management"):
        assert properties[f"{kind}_address"] == f"unix:/var/lib/vqaserve/run/{kind}.sock"
        assert properties[f"grpc_{kind}_address"] == "127.0.0.1"
    policies = [one for one in rendered["gateway"] if one["kind"] == "NetworkPolicy"]
    base = next(one for one in policies if one["metadata"]["name"] == "vqaserve")
    assert base["spec"]["policyTypes"] == ["Ingress", "Egress"]  # whatever no policy allows is refused
    assert "egress" not in base["spec"]
    opened = {
        policy["metadata"]["name"]: [
            port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]
        ]
        for policy in policies
    }
    assert opened == {
        "vqaserve": ["https"],
        "vqaserve-clients": ["https"],
        "vqaserve-metrics": ["metrics", "exporter"],
        "vqaserve-hub": [],
    }
    metrics = next(one for one in policies if one["metadata"]["name"] == "vqaserve-metrics")
    sources = [rule["from"] for rule in metrics["spec"]["ingress"]]
    assert sources == [[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]]


def test_every_selector_chooses_the_pods(rendered: dict[str, list[Manifest]]):
    label = {"app.kubernetes.io/name": "vqaserve"}
    assert the(rendered["gateway"], "Deployment")["spec"]["template"]["metadata"]["labels"] == label
    for manifest in rendered["gateway"]:
        spec = manifest.get("spec", {})
        if manifest["kind"] in ("Deployment", "PodDisruptionBudget"):
            assert spec["selector"] == {"matchLabels": label}
        elif manifest["kind"] == "NetworkPolicy":
            assert spec["podSelector"] == {"matchLabels": label}
        elif manifest["kind"] == "Service":
            assert spec["selector"] == label


def test_a_pods_properties_are_the_projects_but_for_the_addresses():
    project, pod = read_properties(CONFIG), read_properties(KUBERNETES / "base" / "config.properties")
    assert {key for key in project.keys() | pod.keys() if project.get(key) != pod.get(key)} == {
        "inference_address",
        "management_address",
        "metrics_address",
    }


@pytest.mark.parametrize("variant", ["cpu", "kserve"])
def test_probes_ask_addresses_that_the_gateway_answers_without_a_key(rendered: dict[str, list[Manifest]], variant: str):
    template = (GATEWAY_FILES / "nginx.conf.template").read_text()
    keyless = [part for part in re.findall(r"location ([^{]+){\s*%{checks}\s", template) if part.startswith("~ ")]
    probes = [
        container[name]["httpGet"]
        for container in containers(rendered[variant])
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
        if name in container
    ]
    assert len(probes) == {"cpu": 3, "kserve": 1}[variant]
    for probe in probes:
        assert any(re.match(pattern[2:].strip(), probe["path"]) for pattern in keyless), probe


def test_a_pod_has_the_time_to_answer_what_it_has_accepted(rendered: dict[str, list[Manifest]]):
    pod = pod_spec(the(rendered["cpu"], "Deployment"))
    server = pod["containers"][0]
    gateway = GatewaySettings.read(KUBERNETES / "base" / "gateway.yaml")
    pause = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = next(int(one.partition("=")[2]) for one in server["args"] if one.startswith("--drain="))
    needed = pause + gateway.answer_seconds + BODY_SECONDS + QUIT_SECONDS + drain + 2 * STOP_SECONDS
    assert needed <= pod["terminationGracePeriodSeconds"]


def test_the_autoscalers_read_a_metric_that_the_handler_has(rendered: dict[str, list[Manifest]]):
    declared = yaml.safe_load((DEPLOY / "monitoring" / "metrics.yaml").read_text())["model_metrics"]["histogram"]
    scaler = the(rendered["gateway"], "HorizontalPodAutoscaler")
    (metric,) = scaler["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert name in {one["name"] for one in declared}
    adapter = yaml.safe_load((KUBERNETES / "components" / "autoscaling" / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["name"]["as"] == name
    (trigger,) = the(rendered["gpu"], "ScaledObject")["spec"]["triggers"]
    for query in (rule["metricsQuery"], trigger["metadata"]["query"]):
        assert set(re.findall(r"vqa_\w+", query)) == {f"{name}_sum", f"{name}_count"}
    for variant, kind in (("gateway", "HorizontalPodAutoscaler"), ("gpu", "ScaledObject")):
        assert "replicas" not in the(rendered[variant], "Deployment")["spec"]
        assert the(rendered[variant], kind)["spec"]["scaleTargetRef"]["name"] == "vqaserve"


def test_prometheus_scrapes_both_ports_under_the_job_names_of_the_alerts(rendered: dict[str, list[Manifest]]):
    services = {one["metadata"]["name"]: one for one in rendered["gpu"] if one["kind"] == "Service"}
    service, monitor = services["vqaserve-metrics"], the(rendered["gpu"], "ServiceMonitor")
    assert monitor["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    jobs = {one["port"]: one["relabelings"][0]["replacement"] for one in monitor["spec"]["endpoints"]}
    assert jobs.keys() == {port["name"] for port in service["spec"]["ports"]}
    scraped = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    assert set(jobs.values()) == {one["job_name"] for one in scraped}
