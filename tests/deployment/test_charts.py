"""Both charts: Helm renders them, Kubernetes would take them, and what they say is meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from .charts import NODE, PLATFORM, RELEASE, ROOT, SECRETS, containers, environment, helm, render
from .charts import read_values as read

KUBERNETES = ("1.27.0", "1.31.0", "1.34.0")

TLS = {"tls": {"secretName": "fedloom-tls"}, "secret": {"values": SECRETS}}
NODE_FULL = {
    "name": "hospital-a",
    "superlink": "fl.example.org:9092",
    "caSecret": "fedloom-ca",
    "key": {"secret": "hospital-a-key"},
    "data": {"claim": "scans"},
    "datasets": {"iris": {"path": "/data/iris.csv", "label": "class"}},
    "policy": {"mode": "deny", "models": ["mlp"]},
    "env": {"FEDLOOM_CLIENT_COLD": "true"},
    "imagePullSecrets": [{"name": "registry"}],
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
}
CASES: list[tuple[Path, dict[str, Any]]] = [
    (PLATFORM, read("dev-values.yaml")),
    (PLATFORM, TLS),
    (PLATFORM, TLS | {"deps": {"postgres": {"host": ""}, "rabbit": {"host": ""}}}),
    (PLATFORM, TLS | {"fl_server": {"superlink_url": "superlink.example.org:9091"}}),
    (NODE, read("node-values.yaml")),
    (NODE, NODE_FULL),
]
IDS = ["dev", "tls", "embedded", "superlink elsewhere", "dev node", "full node"]


@pytest.mark.parametrize(("chart", "values"), CASES, ids=IDS)
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_what_is_rendered(
    chart: Path, values: dict[str, Any], version: str
) -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    manifests = render(chart, values)
    assert len(manifests) >= 4
    for manifest in manifests.values():
        checker.validate(manifest, version, strict=True)


@pytest.mark.parametrize(("chart", "values"), CASES, ids=IDS)
def test_helm_lint_finds_nothing(chart: Path, values: dict[str, Any]) -> None:
    report = helm().lint(str(chart), values, strict=True)
    assert not report["errors"]
    assert [m["error"] for m in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize(("chart", "values"), CASES, ids=IDS)
def test_every_container_is_confined(chart: Path, values: dict[str, Any]) -> None:
    workloads = [m for m in render(chart, values).values() if "template" in m.get("spec", {})]
    assert workloads
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in containers(workload).values():
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"]
            assert not container["image"].endswith(":latest")


def test_the_values_of_the_original_reach_their_places() -> None:
    values = {
        "deps": {
            "postgres": {"host": "db.example.org", "port": 5433},
            "rabbit": {"host": "mq.example.org", "port": 5673},
            "mlflow": {"url": "http://mlflow.example.org:80"},
        },
        "fl_restapi": {
            "image": "registry.example.org/api",
            "tag": "v1",
            "port": 8080,
            "imagePullSecrets": [{"name": "a"}],
        },
        "fl_server": {
            "image": "registry.example.org/server",
            "tag": "v2",
            "superlink_url": "sl.example.org:9091",
            "imagePullSecrets": [{"name": "b"}],
        },
        "insecure": True,
        "secret": {"existing": "logins"},
    }
    manifests = render(PLATFORM, values)
    api = manifests["Deployment", f"{RELEASE}-restapi"]
    server = manifests["StatefulSet", f"{RELEASE}-server"]
    one, other = containers(api)["restapi"], containers(server)["server"]
    assert one["image"] == "registry.example.org/api:v1"
    assert other["image"] == "registry.example.org/server:v2"
    assert set(containers(server)) == {"server"}, "a SuperLink although one runs elsewhere"
    assert api["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "a"}]
    assert server["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "b"}]
    for container in (one, other):
        said = environment(container)
        assert (said["POSTGRES_HOST"], said["POSTGRES_PORT"]) == ("db.example.org", "5433")
        assert (said["RABBIT_HOST"], said["RABBIT_PORT"]) == ("mq.example.org", "5673")
        assert said["MLFLOW_URL"] == "http://mlflow.example.org:80"
        assert said["POSTGRES_PASSWORD"] == ("logins", "POSTGRES_PASSWORD")
        assert said["DB_MODE"] == "postgresql"
    assert environment(one)["FEDLOOM_PORT"] == "8080"
    said = environment(other)["FEDLOOM_SUPERLINKS"]
    assert said == "sl.example.org:9091=/run/fedloom/superlink_secret"
    service = manifests["Service", f"{RELEASE}-restapi"]["spec"]
    assert (service["type"], service["ports"][0]["port"]) == ("NodePort", 8080)


def test_the_superlink_is_open_to_its_pod_alone() -> None:
    manifests = render(PLATFORM, TLS)
    server = containers(manifests["StatefulSet", f"{RELEASE}-server"])
    assert "--host=127.0.0.1" in server["superlink"]["command"]
    assert "ports" not in server["superlink"]
    # Both must agree, or nobody would be let in.
    assert "--known-nodes-only" in server["superlink"]["command"]
    assert environment(server["server"])["FEDLOOM_KNOWN_NODES_ONLY"] == "true"
    assert server["server"]["livenessProbe"]["httpGet"]["port"] == "health"
    services = [m for (kind, _), m in manifests.items() if kind == "Service"]
    opened = {p["targetPort"] for service in services for p in service["spec"]["ports"]}
    assert opened == {"http", "gateway"}


def test_only_api_and_gateway_are_let_through() -> None:
    manifests = render(PLATFORM, TLS)
    policies = [m["spec"] for (kind, _), m in manifests.items() if kind == "NetworkPolicy"]
    ports = sorted(policy["ingress"][0]["ports"][0]["port"] for policy in policies)
    assert ports == ["gateway", "http"]
    node = render(NODE, NODE_FULL)["NetworkPolicy", RELEASE]["spec"]
    assert node["policyTypes"] == ["Ingress"]
    assert "ingress" not in node


def test_tls_is_on_unless_that_is_refused_by_name() -> None:
    with pytest.raises(helm().HelmError, match=r"tls\.secretName"):
        render(PLATFORM, {"secret": {"existing": "logins"}})
    container = containers(render(PLATFORM, TLS)["Deployment", f"{RELEASE}-restapi"])["restapi"]
    said = environment(container)
    assert said["FEDLOOM_TLS_CERTIFICATE"] == "/run/tls/tls.crt"
    assert "FEDLOOM_INSECURE" not in said
    assert container["readinessProbe"]["httpGet"] == {
        "path": "/ready",
        "port": "http",
        "scheme": "HTTPS",
    }


def test_secrets_are_asked_for_and_stand_nowhere_else() -> None:
    few = {k: v for k, v in SECRETS.items() if k != "FEDLOOM_ADMIN_TOKEN"}
    with pytest.raises(helm().HelmError, match=r"secret\.values\.FEDLOOM_ADMIN_TOKEN"):
        render(PLATFORM, TLS | {"secret": {"values": few}})
    manifests = render(PLATFORM, TLS)
    assert manifests.pop(("Secret", f"{RELEASE}-secret"))["stringData"] == SECRETS
    rest = yaml.safe_dump_all(manifests.values())
    assert SECRETS["FEDLOOM_ADMIN_TOKEN"] not in rest
    assert SECRETS["SUPERLINK_SECRET"] not in rest


@pytest.mark.parametrize(
    "wrong",
    [
        {"fl_restapi": {"image": "a", "tag": "b", "port": "8000"}},
        {"fl_restapi": {"image": "a", "tag": "b", "port": 70000}},
        {"fl_server": {"image": "a", "tag": "b", "superlink_url": "http://x:1"}},
        {"deps": {"mlflow": {"url": "mlflow:5000"}}},
        {"deps": {"postgress": {"host": "x"}}},
        {"secret": {"values": {"SUPERLINK_SECRET": "short"}}},
    ],
    ids=["text for a port", "port", "superlink", "url", "misspelt", "short secret"],
)
def test_wrong_values_are_refused(wrong: dict[str, Any]) -> None:
    with (
        helm().Chart.load(str(PLATFORM)) as chart,
        pytest.raises(helm().HelmError),
    ):
        chart.validate_schema(TLS | wrong)


@pytest.mark.parametrize("missing", ["name", "superlink"])
def test_a_node_says_who_it_is_and_where_it_goes(missing: str) -> None:
    values = {k: v for k, v in NODE_FULL.items() if k != missing}
    with helm().Chart.load(str(NODE)) as chart, pytest.raises(helm().HelmError):
        chart.validate_schema(values)


def test_a_node_can_read_the_configuration_it_is_given(tmp_path: Path) -> None:
    from fedloom.platform.client.config import load_node_config
    from fedloom.platform.client.policy import Policy

    files = render(NODE, NODE_FULL)["ConfigMap", RELEASE]["data"]
    path = tmp_path / "node.yaml"
    path.write_text(files["node.yaml"], "utf-8")
    config = load_node_config(path, environment={})
    assert (config.name, config.superlink) == ("hospital-a", "fl.example.org:9092")
    assert config.insecure is False
    assert str(config.ca) == "/run/ca/ca.crt"
    assert str(config.key_path) == "/run/key/node.key"
    assert config.datasets["iris"].label == "class"
    assert Policy.model_validate(yaml.safe_load(files["policy.yaml"])).models == ("mlp",)


@pytest.mark.parametrize("chart", [PLATFORM, NODE], ids=lambda path: path.name)
def test_every_value_is_in_the_table_of_the_readme(chart: Path) -> None:
    values = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))
    text = (chart / "README.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `([A-Za-z_.]+)` \|", text, re.MULTILINE))
    assert listed == set(leaves(values))


def leaves(values: dict[str, Any], before: str = "") -> list[str]:
    """Return the dotted names of all values that are given as a whole."""
    found = []
    for key, value in values.items():
        whole = not isinstance(value, dict) or not value or key in ("resources",)
        name = f"{before}{key}"
        found += [name] if whole else leaves(value, f"{name}.")
    return found


def test_both_charts_are_of_the_version_that_is_here() -> None:
    from fedloom._version import __version__

    for chart in (PLATFORM, NODE):
        text = (chart / "Chart.yaml").read_text("utf-8")
        assert yaml.safe_load(text)["appVersion"] == __version__
    assert ROOT.joinpath("k8s", "dev-values.yaml").exists()
