"""Images and quantities as Kubernetes reads them, before any Pod is there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kubechain.api.tool import ContainerTool
from kubechain.tools.containerspec import amount, check
from kubechain.tools.model import InvalidTool
from test.tools.imagenames import IMAGES, NO_IMAGES


def a_container(**fields: Any) -> ContainerTool:
    return ContainerTool.model_validate({"image": "busybox"} | fields)


@pytest.mark.parametrize("image", IMAGES)
def test_images(image: str) -> None:
    check(a_container(image=image))


@pytest.mark.parametrize("image", NO_IMAGES)
def test_what_is_no_image(image: str) -> None:
    with pytest.raises(InvalidTool, match="image: not a reference"):
        check(a_container(image=image))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("100m", "0.1"),
        ("1.5", "1.5"),
        (2, "2"),
        ("256Mi", str(256 * 2**20)),
        ("1e3", "1000"),
        (".5k", "500"),
        ("1E", "1e18"),
    ],
)
def test_quantities(value: str | int, number: str) -> None:
    assert amount(value) == Decimal(number)


@pytest.mark.parametrize(
    ("resources", "told"),
    [
        pytest.param({"limits": {"cpu": "abc"}}, 'limits.cpu: not a quantity such as .*: "abc"', id="letters"),
        pytest.param({"requests": {"memory": "1 Gi"}}, "requests.memory: not a quantity", id="a space"),
        pytest.param({"limits": {"memory": "-1"}}, "not a quantity", id="less than nothing"),
        pytest.param({"limits": {"memory": "1GB"}}, "not a quantity", id="a unit of people"),
        pytest.param({"limits": {"cpus": 1}}, 'not a resource such as cpu or example.com/gpu: "cpus"', id="a name"),
        pytest.param(
            {"limits": {"cpu": "500m"}, "requests": {"cpu": 1}},
            '"1" is more than .* "500m"',
            id="over the limit",
        ),
    ],
)
def test_resources_that_kubernetes_refuses(resources: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidTool, match=told):
        check(a_container(resources=resources))


def test_resources_that_kubernetes_takes() -> None:
    limits = {"cpu": "500m", "memory": "64Mi", "nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi"}
    check(a_container(resources={"limits": limits, "requests": {"cpu": ".25"}}))
