"""Which base URLs may be called."""

from __future__ import annotations

import pytest

from kubechain.llm.base_url import endpoint
from kubechain.llm.errors import InvalidTarget


@pytest.mark.parametrize(
    ("base_url", "url", "loopback"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1", False),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1", False),
        (" http://127.0.0.1:8080/v1 ", "http://127.0.0.1:8080/v1", True),
        ("http://localhost:8080", "http://localhost:8080", True),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1", True),
        ("http://vllm.models.svc:8000/v1", "http://vllm.models.svc:8000/v1", False),
        ("http://10.1.2.3:8000/v1", "http://10.1.2.3:8000/v1", False),
    ],
)
def test_what_people_use_is_allowed(base_url: str, url: str, loopback: bool) -> None:
    checked = endpoint(base_url)
    assert (checked.url, checked.is_loopback) == (url, loopback)


@pytest.mark.parametrize(
    ("base_url", "complaint"),
    [
        pytest.param("", "scheme", id="empty"),
        pytest.param("api.openai.com/v1", "scheme", id="no scheme"),
        pytest.param("ftp://api.openai.com", "scheme", id="another protocol"),
        pytest.param("file:///etc/passwd", "scheme", id="a file"),
        pytest.param("https://", "no host", id="no host"),
        pytest.param("https://user:hunter2@host/v1", "credentials", id="credentials"),
        pytest.param("https://host/v1?key=hunter2", "query", id="a query"),
        pytest.param("https://host/v1#hunter2", "fragment", id="a fragment"),
        pytest.param("https://host:99999/v1", "not a URL", id="a port out of range"),
        pytest.param("https://[::1/v1", "not a URL", id="a broken address"),
        pytest.param("https://ho st/v1", "characters", id="a space"),
        pytest.param("https://host/v1\r\nX-Evil: 1", "characters", id="a line end"),
        pytest.param("https://host\\@evil/v1", "characters", id="a backslash"),
        pytest.param("https://" + "a" * 3000, "longer", id="very long"),
        pytest.param("http://169.254.169.254/latest", "address refused", id="the metadata service"),
        pytest.param("http://2852039166/latest", "address refused", id="the metadata service as a number"),
        pytest.param("http://0xa9.0xfe.0xa9.0xfe/", "address refused", id="the metadata service in hexadecimal"),
        pytest.param("http://[::ffff:169.254.169.254]/", "address refused", id="the metadata service as IPv6"),
        pytest.param("http://[fe80::1%25eth0]/", "address refused", id="link-local IPv6"),
        pytest.param("http://metadata.google.internal./", "address refused", id="the metadata service by name"),
        pytest.param("http://0.0.0.0:80/", "address refused", id="the unspecified address"),
        pytest.param("http://224.0.0.1/", "address refused", id="multicast"),
    ],
)
def test_the_rest_is_refused_without_repeating_it(base_url: str, complaint: str) -> None:
    with pytest.raises(InvalidTarget, match=complaint) as caught:
        endpoint(base_url)
    assert "hunter2" not in str(caught.value)
