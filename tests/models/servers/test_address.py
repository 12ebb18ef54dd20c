"""A password or key in the name or address of a model is refused, and no message repeats it."""

import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spex.cli import main
from spex.errors import ArgumentError, SpexError
from spex.models import load
from spex.models.servers.address import check_url, refuse_secret, split_name
from spex.models.servers.endpoint import Endpoint
from spex.models.servers.openai import OpenAIModel

SECRET = "hunter2x0123456789"
URLS = [
    f"https://user:{SECRET}@host.org/v1",
    f"https://{SECRET}@host.org/v1",
    f"https://user:{SECRET}/x@host.org/v1",
    f"https://user:{SECRET}@http://host.org/v1",
    f"https://host.org/v1?api_key={SECRET}",
    f"https://host.org/v1?sig={SECRET}&x=1",
    f"https://host.org/v1#token={SECRET}",
    f"https://host.org:{SECRET}/v1",
    f"https://host.org;{SECRET}/v1",
    f"https://host.org/v1;key={SECRET}",
    f"https://host.org/v1%3Fapi_key={SECRET}",
    f"https://user:{SECRET}%40host.org/v1",
    f"https://host.org/sk-proj-{SECRET}/v1",
    f"https://host.org/ {SECRET}",
    f"https://[{SECRET}/v1",
    f"https://:{SECRET}@",
]
NAMES = [
    *(f"openai:gpt@{url}" for url in URLS),
    f"openai:sk-{SECRET}@https://host.org/v1",
    f"openai:gpt@user:{SECRET}@host.org",
    f"openai:gpt\n@http://user:{SECRET}@host.org",
    f"Openai:gpt@https://user:{SECRET}@host.org/v1",
    f"gpt@https://user:{SECRET}@host.org/v1",
    f"gpt:user:{SECRET}@host.org",
    f"user:{SECRET}@host.org",
    f"https://host.org/v1?key={SECRET}",
    f"hf:https://user:{SECRET}@huggingface.co/org/model",
    f"gguf:https://host.org/model.gguf?token={SECRET}",
]
PLAIN = ["smollm2", "hf:org/model", "gguf:a@b.gguf", "reply:a:b", "predict:a:b.c", "m@http://h/v1"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"device": "cpu"}, {"price": (1, 2)}])
def test_a_name_is_refused_and_not_repeated(name, options):
    with pytest.raises(ArgumentError) as caught:
        load(name, **options)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", URLS)
def test_an_address_is_refused_and_not_repeated(url):
    with pytest.raises(ArgumentError) as caught:
        OpenAIModel("gpt", url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_prints_it_nowhere(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "review.txt").write_text("never fails\n")
    call = ["explain", "--text", "review.txt", "--model", name, "--out", "e.json"]
    for more in (["--dry-run"], ["--price", "1,2"], ["--score", "similarity", "--store", "s"]):
        assert main([*call, *more]) == 2
        shown = capsys.readouterr()
        assert SECRET not in shown.out + shown.err
        assert len(shown.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["review.txt"]


def test_the_key_itself_is_refused_wherever_it_is(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    for name in (f"openai:{SECRET}@http://h/v1", f"openai:m@http://h/{SECRET}/v1", f"hf:{SECRET}"):
        with pytest.raises(ArgumentError) as caught:
            load(name)
        assert SECRET not in str(caught.value)


def test_plain_names_pass(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")  # a placeholder, which names may contain
    for name in [*PLAIN, "hf:nonesuch", None]:
        refuse_secret(name)
    url = "http://127.0.0.1:8000/v1"
    assert split_name(f"openai:org/model@v2@{url}") == ("org/model@v2", url)
    for good in (url, "https://api.openai.com/v1", "http://[::1]:80/v1", "https://h/a%20b;c/v1"):
        check_url(good)


@settings(max_examples=50)
@given(st.text(), st.sampled_from(["@", "?key=", "#", "/?", "/@"]), st.text())
def test_whatever_comes_after_a_mark_is_refused(before, mark, after):
    with pytest.raises(ArgumentError):
        check_url(f"https://host/{before}{mark}{after}")


def test_a_proxy_with_a_password_is_not_quoted(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"nonsense://user:{SECRET}/x@proxy:1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SpexError) as caught:
        load("openai:gpt@https://host.invalid/v1")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "HTTPS_PROXY" in str(caught.value)


def test_a_key_is_not_cut_in_half():
    endpoint = Endpoint("http://127.0.0.1:9/v1", SECRET)
    for before in range(170, 200):
        assert SECRET[:6] not in endpoint.failures.line("x" * before + SECRET)
