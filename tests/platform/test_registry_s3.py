"""Files of an embedded registry in S3, over its real HTTP API; moto's server stands for AWS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from fedloom.errors import MissingExtraError, NotFoundError
from fedloom.platform.registry import (
    address,
    download_package,
    load_weights,
    open_registry,
    push_package,
)

from .registry_world import make_package


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        where = {"LocationConstraint": "eu-west-1"}
        storage = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        storage.create_bucket(Bucket="models", CreateBucketConfiguration=where)
        yield "models"
    finally:
        httpx.post(f"http://{host}:{port}/moto-api/reset", timeout=60.0)
        server.stop()


def test_packages_and_weights_lie_in_a_bucket(bucket: str, tmp_path: Path) -> None:
    place = f"s3://{bucket}/fedloom"
    url = f"sqlite:///{tmp_path}/mlflow.db"
    np.savez(tmp_path / "seed.npz", **{"0": np.arange(3.0)})
    package = make_package(tmp_path / "package", model=None)
    registry = open_registry(url, artifacts=place, cache=tmp_path / "a")
    pushed = push_package(registry, package, "iris", seed_model=tmp_path / "seed.npz")
    assert not (tmp_path / "artifacts").exists()
    other = open_registry(url, artifacts=place, cache=tmp_path / "b")  # with nothing in its cache
    assert load_weights(other, pushed)[0].tolist() == [0.0, 1.0, 2.0]
    assert download_package(other, pushed).stat().st_size > 0


def test_a_file_that_is_gone_from_the_bucket_is_named(bucket: str, tmp_path: Path) -> None:
    url, place = f"sqlite:///{tmp_path}/mlflow.db", f"s3://{bucket}/fedloom"
    np.savez(tmp_path / "seed.npz", **{"0": np.arange(3.0)})
    package = make_package(tmp_path / "package", model=None)
    registry = open_registry(url, artifacts=place, cache=tmp_path / "a")
    pushed = push_package(registry, package, "iris", seed_model=tmp_path / "seed.npz")
    storage = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    for found in storage.list_objects_v2(Bucket=bucket)["Contents"]:
        storage.delete_object(Bucket=bucket, Key=found["Key"])
    other = open_registry(url, artifacts=place, cache=tmp_path / "b")
    with pytest.raises(NotFoundError, match="the weights of iris version 1 is gone") as caught:
        load_weights(other, pushed)
    assert url in str(caught.value)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(address, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"fedloom\[s3\]"):
        open_registry(f"sqlite:///{tmp_path}/mlflow.db", artifacts="s3://models")
