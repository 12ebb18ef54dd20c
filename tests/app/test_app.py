"""`spex app` in a real browser: from what is pasted to an explanation that is kept."""

import http.client
import re
import time

import pytest

import spex

pytestmark = pytest.mark.slow(seconds=10)

TEXT = "Her acting never fails to impress me or anybody else"
SLOW = "With so many more words her acting never fails to impress me or anybody else in the world"


def fill(page, text=None, **fields):
    if text is not None:
        page.locator("textarea").first.fill(text)
    for label, value in fields.items():
        field = labelled(page, label.title())
        field.fill(value)
        field.press("Enter" if label in ("model", "score", "unit") else "Tab")


def labelled(page, name):
    """A field by the beginning of its label; a hint follows."""
    return page.get_by_label(re.compile(rf"^\s*{name}")).locator("visible=true").first


def press(page, name):
    page.wait_for_timeout(300)  # milliseconds; the server learns of a changed field a little later
    page.get_by_role("button", name=name, exact=True).click()


def done(page, how="Done", timeout=120_000):
    """Wait for the end; evaluations done and wanted."""
    said = page.get_by_role("status").filter(has_text=f"{how}:").first
    said.wait_for(timeout=timeout)
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", said.inner_text())]


def report(page):
    """The words of the explanation that is shown."""
    frame = page.frame_locator("iframe[title=Explanation]:visible")
    return frame.first.locator("body").inner_text()


def reopened(page, number, picker="Explanation"):
    page.get_by_role("tab", name="Saved and compare").click()
    page.get_by_role("option").first.wait_for(state="detached")  # of a list that closes
    labelled(page, picker).click()
    page.get_by_role("option").nth(number).click()


def test_from_prompt_to_result(visit, tmp_path):
    page = visit()
    fill(page, TEXT, budget="200")
    press(page, "Check calls and time")
    plan = labelled(page, "Before you start")
    page.wait_for_function("e => e.value.includes('on this machine')", arg=plan.element_handle())
    assert "At most 200 calls of the model predict:quick:score" in plan.input_value()
    assert "10 words (mask: delete)" in plan.input_value()

    press(page, "Explain")
    page.get_by_text(re.compile(r"\d+ of 200 calls")).first.wait_for()
    assert done(page) == [200, 200]
    assert page.locator("svg[role=img][aria-label^='R2 1.00']").count() == 1
    assert re.search(r"never\W+fails", report(page))
    with page.expect_download() as download:
        press(page, "Download JSON")
    download.value.save_as(tmp_path / "why.json")
    e = spex.Explanation.load(tmp_path / "why.json")
    assert (e.n_evaluations, e.features) == (200, tuple(TEXT.split()))
    found = e.interactions("Moebius")
    assert found[2, 3] == pytest.approx(1.0, abs=1e-3)
    assert found[(1,)] == pytest.approx(-0.5, abs=1e-3)
    with page.expect_download() as download:
        press(page, "Download page")
    download.value.save_as(tmp_path / "why.html")
    assert (tmp_path / "why.html").read_text().startswith("<!doctype html>")


def test_what_is_wrong_is_said_and_nothing_is_kept(visit, server):
    page = visit()
    before = len(list((server.folder / "data" / "explanations").iterdir()))
    for label, value, said in (
        ("budget", "many", "Budget: Input should be a valid integer"),
        ("budget", "-3", "Budget -3"),
        ("model", "predict:nowhere:score", "there is no module 'nowhere'"),
        ("model", "--help", "'--help' is unknown"),
    ):
        fill(page, TEXT, **{"budget": "100", "model": "predict:quick:score", label: value})
        press(page, "Explain")
        page.get_by_role("alert").filter(has_text=said).first.wait_for()
        assert "--text" not in page.locator("#state").inner_text()
        press(page, "Check calls and time")
        plan = labelled(page, "Before you start").element_handle()
        page.wait_for_function("e => e.value.startsWith('Cannot be explained')", arg=plan)
    assert len(list((server.folder / "data" / "explanations").iterdir())) == before


def test_a_limit_is_told_before_and_kept_and_two_are_compared(visit):
    page = visit()
    page.get_by_role("button", name="Limits and price").click()
    page.wait_for_timeout(500)  # milliseconds; fields that have just appeared forget what is typed
    labelled(page, "Most calls").fill("60")
    labelled(page, "Most calls").press("Tab")
    fill(page, TEXT, budget="300")
    press(page, "Check calls and time")
    plan = labelled(page, "Before you start")
    page.wait_for_function("e => e.value.includes('on this machine')", arg=plan.element_handle())
    assert "Stops before it exceeds 60 calls" in plan.input_value()
    press(page, "Explain")
    assert done(page, "Stopped")[1:] == [300, 60]  # 60 new ones, beside those kept before
    assert "Partial: the limit of 60 calls is reached" in report(page)
    page.get_by_text("Table", exact=True).click()
    page.get_by_role("textbox", name="Table").fill("age,income\n3,7\n1,1")
    fill(page, model="predict:quick:predict")
    press(page, "Explain")
    page.get_by_role("status").filter(has_text="Done: 4 of 4").first.wait_for()
    reopened(page, 1)
    reopened(page, 2, "Compare with")  # the same text; the table is the newest
    page.get_by_text("they correlate with 1.00").wait_for()
    links = page.frame_locator("iframe:visible").locator("nav a")
    links.nth(2).wait_for()
    assert links.count() == 3
    reopened(page, 1, "Compare with")
    page.get_by_role("alert").filter(has_text="Not compared").wait_for()
    assert "anybody" in report(page)


def plan_says(page, text):
    plan = labelled(page, "Before you start").element_handle()
    page.wait_for_function("([e, text]) => e.value.includes(text)", arg=[plan, text])


def test_files_are_loaded_and_what_is_none_of_its_kind_is_named(visit, tmp_path):
    page = visit()
    (tmp_path / "note.txt").write_bytes("Nobody was there, said Zoë\r\n".encode())
    (tmp_path / "bad.png").write_bytes(b"\xff no picture")
    load(page, tmp_path / "note.txt")
    page.wait_for_function("document.querySelector('textarea').value.endsWith('Zoë')")
    load(page, tmp_path / "bad.png")
    page.get_by_text("bad.png is not UTF-8").first.wait_for()
    assert page.locator("textarea").first.input_value().startswith("Nobody")
    page.get_by_text("Picture", exact=True).click()
    labelled(page, "Prompt").wait_for()
    press(page, "Check calls and time")
    plan_says(page, "Picture: there is none; load one")
    load(page, tmp_path / "bad.png")
    page.locator("img").first.wait_for(state="attached")
    press(page, "Check calls and time")
    plan_says(page, "Cannot be explained: Picture: cannot be read as a picture")
    press(page, "Explain")
    page.get_by_role("alert").filter(has_text="cannot be read as a picture").first.wait_for()


def load(page, path):
    page.locator("input[type=file]").first.set_input_files(path)


def test_the_last_check_counts_and_a_page_opened_again_finds_the_run(visit, server):
    page = visit()
    fill(page, TEXT, budget="40", model="predict:quick:slow")
    press(page, "Check calls and time")
    plan_says(page, "Asking the model")
    fill(page, model="predict:quick:score")
    plan_says(page, "The form has changed")
    press(page, "Check calls and time")
    plan_says(page, "on this machine")
    assert "model predict:quick:score" in labelled(page, "Before you start").input_value()
    fill(page, model="predict:quick:slow")
    press(page, "Check calls and time")
    press(page, "Stop checking")
    plan_says(page, "The check was stopped")
    fill(page, SLOW, budget="20000", model="predict:quick:score")
    press(page, "Explain")
    page.get_by_text(re.compile(r"[1-9]\d+ of 20,000 calls")).first.wait_for()
    context = page.context
    page.close()
    page = context.new_page()
    page.goto(server.address)
    page.get_by_text("With so many more words her acting").first.wait_for()
    press(page, "Stop and keep")
    done(page, "Stopped")
    assert "impress" in report(page)
    body = page.locator("body").inner_text()
    assert "common." not in body and "predict:quick:score" in body


def test_two_users_at_once(visit):
    first, second = visit(), visit()
    fill(first, TEXT, budget="300")
    fill(second, "Nobody never fails, said Anna", budget="300")
    press(first, "Explain")
    press(second, "Explain")
    # 2^5 masks are all; each has its own text and budget.
    assert done(second) == [32, 32]
    assert done(first) == [300, 300]
    assert "Anna" in report(second) and "Anna" not in report(first)
    assert "anybody" in report(first) and "anybody" not in report(second)


def test_smollm2_is_stopped_midway_and_opened_again(visit, server):
    page = visit()
    fill(page, SLOW, model="smollm2", score="logodds:positive,negative", budget="3000")
    press(page, "Explain")
    said = page.get_by_role("status").filter(has_text=re.compile(r"[1-9]\d+ of 3,000 calls")).first
    said.wait_for(timeout=300_000)
    press(page, "Stop and keep")
    evaluated, wanted = done(page, "Stopped")
    assert 4 <= evaluated < wanted == 3000
    assert "impress" in report(page)

    other = visit()  # a new session finds it, and compares it with one of another model
    reopened(other, 0)
    other.frame_locator("iframe[title=Explanation]:visible").get_by_text("impress").first.wait_for()
    kept = sorted((server.folder / "data" / "explanations").glob("*/explanation.json"))[-1]
    e = spex.Explanation.load(kept)
    assert e.n_evaluations == evaluated and e.context.model == "smollm2"
    assert e.features == tuple(SLOW.split())
    reopened(other, 1, "Compare with")  # itself, after "(none)"
    other.get_by_text("they correlate with 1.00").wait_for()
    assert "No difference" in report(other)


def test_no_other_host_and_no_other_machine(server):
    name, port = server.address.removeprefix("http://").strip("/").split(":")
    for host, status in ((f"{name}:{port}", 200), ("localhost", 200), ("evil.example", 400)):
        connection = http.client.HTTPConnection(name, int(port))
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        assert answer.status == status
        if status == 200:
            policy = answer.getheader("content-security-policy")
            assert "default-src 'self' data: blob:" in policy and "http" not in policy
        connection.close()
    addresses = (server.folder / "addresses.txt").read_text().split("\n")
    outside = [one for one in addresses if one and not re.search(r"127\.0\.0\.1|localhost", one)]
    assert outside == []


def test_ctrl_c_keeps_what_is_under_way(visit, server):
    page = visit()
    fill(page, SLOW, budget="20000")
    press(page, "Explain")
    page.get_by_text(re.compile(r"[1-9]\d+ of 20,000 calls")).first.wait_for()
    time.sleep(1)
    page.close()
    status, told = server.end()
    assert status == 130
    assert "interrupted; 1 explanation of 1 running kept in" in told
