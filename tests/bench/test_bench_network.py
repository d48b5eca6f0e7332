"""A cell whose clients come over TLS, through the gateway, as on machines of their own."""

from __future__ import annotations

from fedloom.bench import CellPlace, CellStatus
from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates

from .bench_world import run_cell, small_study


def test_clients_reach_the_server_over_tls_alone(tmp_path):
    vouched, cell = tmp_path / "vouched", tmp_path / "cell"
    create_certificates(CertificateFolder(vouched), ["127.0.0.1"])
    study = small_study(num_rounds=1, plan={"model": "mlp", "hidden": (2000,)})  # 0.6 MB
    outcome = run_cell(study, cell, certificates=vouched)
    assert (outcome.status, outcome.reason) == (CellStatus.FINISHED, "")
    assert (cell / ".ready").read_text().startswith("https://127.0.0.1:")
    assert "SSL is enabled" in CellPlace(cell).server_log.read_text()
    assert not (cell / ".server").exists()  # secrets do not stay
