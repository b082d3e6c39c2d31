"""What is in deploy/: valid by its schemas, about metrics and paths that the service has, and alerts that do fire."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")

from ai_detect import My_TextClassifier_Model, guard  # noqa: E402
from tests.command_support import wait_until  # noqa: E402
from tests.server_support import API, ESSAY, Server, serving  # noqa: E402

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "ai_detect.json"
KUBERNETES_VERSION = "1.31"

METRIC = re.compile(r"\b(?:ai_detect|process|system)_\w+\b")

# The part of the Knative API that Cloud Run takes and this project uses; what is in a pod is checked as a pod.
KNATIVE_SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "serving.knative.dev/v1"},
        "kind": {"const": "Service"},
        "metadata": {"$ref": "#/$defs/metadata", "required": ["name"]},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["template"],
            "properties": {
                "template": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["spec"],
                    "properties": {
                        "metadata": {"$ref": "#/$defs/metadata"},
                        "spec": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["containers"],
                            "properties": {
                                "containerConcurrency": {
                                    "type": "integer",
                                    "minimum": 1,
                                    "maximum": 1000,
                                },
                                "timeoutSeconds": {
                                    "type": "integer",
                                    "minimum": 1,
                                    "maximum": 3600,
                                },
                                "serviceAccountName": {"type": "string"},
                                "containers": {"type": "array", "minItems": 1, "maxItems": 10},
                                "volumes": {"type": "array"},
                            },
                        },
                    },
                }
            },
        },
    },
    "$defs": {
        "metadata": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "additionalProperties": False,
        }
    },
}


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed: it comes with the Debian package prometheus")
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = document(PROMETHEUS / "alerts.yml")["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> dict[str, str]:
    """Every query of the alert rules and of the dashboard, by where it is."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return {rule["alert"]: rule["expr"] for rule in rules()} | {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels
        for target in panel.get("targets", ())
    }


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ],
    ids=" ".join,
)
def test_prometheus_takes_its_files(argv: list[str]) -> None:
    done = subprocess.run(
        [tool("promtool"), *argv],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_has_a_page_that_says_what_to_do() -> None:
    tested = {
        case["alertname"]
        for test in document(PROMETHEUS / "alerts.test.yml")["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    headings = re.findall(
        r"^#+ (\w+)$", (ROOT / "docs" / "monitoring.md").read_text("utf-8"), re.MULTILINE
    )
    for rule in rules():
        assert rule["alert"] in tested
        assert rule["alert"] in headings
        assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{rule['alert'].lower()}"


def test_the_dashboard_holds_together() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for panel in panels
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(places)) == len(places), "panels overlap"
    assert max(x for x, _ in places) < 24
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = document(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    for panel in panels:
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": source["type"], "uid": source["uid"]}
    (provider,) = document(provisioning / "dashboards" / "ai_detect.yaml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


@pytest.fixture(scope="module")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real service that has answered, refused and seen so many short texts that it tells of drift."""
    data_dir = tmp_path_factory.mktemp("served") / "data"
    shutil.copytree(trained / "data" / "model", data_dir / "model")
    with serving(data_dir) as running:
        answer = running.client.post(f"{API}/predict", json={"texts": [ESSAY[:200]] * 60})
        assert answer.status_code == 200
        assert running.client.post(f"{API}/predict", json={}).status_code == 422
        wait_until(lambda: "\nai_detect_drift_level 2.0" in running.client.get("/metrics").text)
        yield running


def test_every_metric_of_rules_and_dashboard_is_one_of_the_service(server: Server) -> None:
    offered = set(re.findall(r"^(\w+)[{ ]", server.client.get("/metrics").text, re.MULTILINE))
    missing = {
        where: sorted(set(METRIC.findall(without_labels(query))) - offered)
        for where, query in expressions().items()
    }
    assert not {where: names for where, names in missing.items() if names}


def without_labels(query: str) -> str:
    return re.sub(r"\{.*?\}|\bby \(.*?\)", "", query)


def test_every_label_of_rules_and_dashboard_is_one_of_the_service(server: Server) -> None:
    known = set(re.findall(r"(\w+)=\"", server.client.get("/metrics").text)) | {"job", "instance"}
    for where, query in expressions().items():
        used = re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", query)
        for names in re.findall(r"\bby \((.*?)\)", query):
            used += [name.strip() for name in names.split(",")]
        assert set(used) <= known, where
    assert 'route="/api/v1/predict"' in server.client.get("/metrics").text


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real Prometheus with these rules, scraping the service and nobody; nothing has to last for minutes."""
    program, port = tool("prometheus"), free_port()
    tmp_path = tmp_path_factory.mktemp("prometheus")
    config = document(PROMETHEUS / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (scrape,) = config["scrape_configs"]
    nobody = "127.0.0.1:1"
    scrape["static_configs"] = [{"targets": [server.url.removeprefix("http://"), nobody]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    alerts = document(PROMETHEUS / "alerts.yml")
    for rule in alerts["groups"][0]["rules"]:
        rule.pop("for", None)
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(alerts))
    process = subprocess.Popen(
        [
            program,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def asked(prometheus: Any, path: str, **params: str) -> Any:
    """What Prometheus answers; nothing while it is not up yet."""
    try:
        answer = prometheus.get(path, params=params)
    except httpx.TransportError:
        return {}
    if answer.status_code == 503:
        return {}
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def result_of(prometheus: Any, query: str) -> Any:
    """The result of a query, as soon as there is one."""
    return wait_until(lambda: asked(prometheus, "/query", query=query).get("result"))


def test_every_query_of_the_dashboard_has_a_result(prometheus: Any) -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) > 20
    for query in queries:
        assert result_of(prometheus, query.replace("$__rate_interval", "1m")), query


def test_prometheus_scrapes_the_service_and_a_provoked_alert_fires(
    server: Server, prometheus: Any
) -> None:
    def firing() -> set[tuple[str, str]]:
        alerts = asked(prometheus, "/alerts").get("alerts", ())
        return {
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""))
            for alert in alerts
            if alert["state"] == "firing"
        }

    assert result_of(prometheus, 'up{job="ai_detect"} == 1')
    (level,) = result_of(prometheus, "ai_detect_drift_level")
    assert level["value"][1] == "2"
    expected = {("AiDetectDriftMajor", ""), ("AiDetectDown", "127.0.0.1:1")}
    wait_until(lambda: expected <= firing())
    assert not [alert for alert in firing() if alert[0] in ("AiDetectErrors", "AiDetectRefuses")]
    assert ("AiDetectDown", server.url.removeprefix("http://")) not in firing()


def kubernetes_schemas() -> Any:
    return pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_kubernetes_takes_its_files(path: Path) -> None:
    kubernetes_schemas().validate(document(path), KUBERNETES_VERSION, strict=True)


def test_a_wrong_name_would_be_found() -> None:
    validate = kubernetes_schemas()
    wrong = document(DEPLOY / "kubernetes" / "deployment.yaml")
    wrong["spec"]["template"]["spec"]["contaners"] = []
    with pytest.raises(jsonschema.ValidationError, match="contaners"):
        validate.validate(wrong, KUBERNETES_VERSION, strict=True)


def test_cloud_run_takes_its_file() -> None:
    service = document(DEPLOY / "cloudrun" / "service.yaml")
    jsonschema.validate(service, KNATIVE_SERVICE)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "as-a-pod"},
        "spec": {
            part: service["spec"]["template"]["spec"][part] for part in ("containers", "volumes")
        },
    }
    kubernetes_schemas().validate(pod, KUBERNETES_VERSION, strict=True)


def pods() -> dict[str, Any]:
    return {
        "kubernetes": document(DEPLOY / "kubernetes" / "deployment.yaml")["spec"]["template"][
            "spec"
        ],
        "cloudrun": document(DEPLOY / "cloudrun" / "service.yaml")["spec"]["template"]["spec"],
    }


@pytest.mark.parametrize("where", ["kubernetes", "cloudrun"])
def test_a_pod_fits_the_service(where: str, server: Server) -> None:
    pod = pods()[where]
    (container,) = pod["containers"]
    assert guard.read_call(container["args"], My_TextClassifier_Model)
    assert f"--port={container['ports'][0]['containerPort']}" in container["args"]
    probes = {
        name: probe["httpGet"]["path"] for name, probe in container.items() if "Probe" in name
    }
    assert {"startupProbe", "livenessProbe"} <= set(probes)
    assert set(probes.values()) == {"/healthz", "/readyz"}
    for path in probes.values():
        assert server.client.get(path).status_code == 200
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"data": "/app/data", "tmp": "/tmp"}
    assert set(mounted) == {volume["name"] for volume in pod["volumes"]}


def test_a_pod_may_do_nothing_but_serve() -> None:
    pod = pods()["kubernetes"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    user = pod["securityContext"]["runAsUser"]
    assert f"--uid {user}" in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_parts_of_kubernetes_mean_the_same_pods() -> None:
    found = {path.stem: document(path) for path in KUBERNETES}
    deployment = found["deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert found["service"]["spec"]["selector"] == labels
    assert found["disruption-budget"]["spec"]["selector"]["matchLabels"] == labels
    scaled = found["autoscaler"]["spec"]["scaleTargetRef"]
    assert {name: deployment[name] for name in ("apiVersion", "kind")} | {
        "name": deployment["metadata"]["name"]
    } == scaled
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert found["service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    assert "replicas" not in deployment["spec"], "the autoscaler says how many"
    assert (
        found["autoscaler"]["spec"]["minReplicas"]
        > found["disruption-budget"]["spec"]["minAvailable"]
    )
